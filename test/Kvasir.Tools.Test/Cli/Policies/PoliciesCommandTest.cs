using Kvasir.Attention.Policies;

namespace Kvasir.Tools.Test.Cli.Policies;

public sealed class PoliciesCommandTest
{
    [Fact]
    public void TextNamesEveryPolicyAndOption()
    {
        var run = CliRun.Of("policies");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        foreach (var entry in PolicyCatalog.Entries)
        {
            Assert.Contains($"{entry.Name}: {entry.Summary}", run.Output, StringComparison.Ordinal);
            Assert.All(entry.Options, option => Assert.Contains(option.Summary, run.Output, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void PoliciesStandWithWhatTheyDo()
    {
        var text = CliRun.Of("policies").Output;
        int[] places = [.. new[] { "SELECT: ", "\nquest: ", "DROP: ", "\nsnapkv: ", "MERGE: ", "\nkvmerger: ", "STORE: ", "\nthink: ", "\n  kivi4 " }.Select(
            word => text.IndexOf(word, StringComparison.Ordinal))];
        Assert.Equal(places.Order(), places);
        Assert.True(places[0] >= 0);
        var json = CliRun.Of("policies", "--json").Json[0];
        foreach (var policy in json["policies"]!.AsArray())
        {
            var drops = PolicyCatalog.Entries.Single(entry => entry.Name == $"{policy!["name"]}") is var entry && new Kvasir.Attention.PolicySpec(entry).Create().DropsRows;
            Assert.Equal(drops, $"{policy!["effect"]}" != "select");
        }

        Assert.Equal(512, json["formats"]!.AsArray().Single(static format => $"{format!["name"]}" == "bf16")!["bytesPerToken"]!.GetValue<double>());
    }

    [Fact]
    public void JsonHasWhatIsTyped()
    {
        var policies = CliRun.Of("policies", "--json").Json[0]["policies"]!.AsArray();
        Assert.Equal(PolicyCatalog.Entries.Select(static entry => entry.Name), policies.Select(static policy => $"{policy!["name"]}"));
        foreach (var policy in policies)
        {
            var options = policy!["options"]!.AsArray().Select(static option => $"{option!["name"]}={option["default"]}");
            // Every default is a value that may be typed, and every list that keeps everything too.
            Assert.Equal($"{policy["name"]}", PolicyCatalog.Parse($"{policy["name"]}:{string.Join(',', options)}").Name);
            Assert.NotNull(PolicyCatalog.Parse($"{policy["keepEverything"]}"));
            Assert.All(policy["budgets"]!.AsArray(), static budget => Assert.NotNull(PolicyCatalog.Parse($"{budget}")));
            Assert.Equal($"{policy["name"]}" == "dense", policy["budgets"]!.AsArray().Count == 0);
        }

        // Two corners of 128 bf16 numbers for 32 tokens, or for 16.
        Assert.Equal(16, Bytes("psa"));
        Assert.Equal(32, Bytes("quest"));
        Assert.Equal(0, Bytes("streaming"));
        var dropping = policies.Where(static policy => policy!["dropsBesideOthers"]!.GetValue<bool>());
        Assert.Equal(["streaming"], dropping.Select(static policy => $"{policy!["name"]}"));

        double Bytes(string name) => policies.Single(policy => $"{policy!["name"]}" == name)!["indexBytesPerToken"]!.GetValue<double>();
    }

    [Fact]
    public void APairIsTypedAsItIsPrinted()
    {
        const string Pair = "quest:share=0.2,page=8,recent=8,dense-layers=none,min-context=0+streaming:recent=40,min-context=0";
        string[] asked = ["run", "stories260K", "Once upon a time", "--max-tokens", "120", "--ignore-end", "--temperature", "0", "--json", "-q"];
        var answer = CliRun.Of([.. asked, "--attention", Pair]);
        Assert.Equal((0, Pair), (answer.ExitCode, $"{answer.Json[0]["policy"]}"));
        Assert.Contains("quest+streaming: streaming drops", CliRun.Of("policies").Output, StringComparison.Ordinal);
        Assert.Contains("quest+streaming:recent=4096", CliRun.Of("run", "--help").Output.ReplaceLineEndings(" "), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("quest+h2o", "attention policy 'quest+h2o' is no pair: h2o decides row by row what it drops")]
    [InlineData("psa:coverage=1.5", "attention policy 'psa' takes coverage above 0 and at most 1, not '1.5'")]
    [InlineData("psa:block=1", "attention policy 'psa' takes block 2 to 256, not '1'")]
    [InlineData("psa:tail=none", "attention policy 'psa' takes tail sampled or last-mean or min-times-left or fit, not 'none'")]
    [InlineData("quest:share=0", "attention policy 'quest' takes share above 0 and at most 1, not '0'")]
    [InlineData("snapkv:share=1.1", "attention policy 'snapkv' takes share above 0 and at most 1, not '1.1'")]
    [InlineData("dbudgetkv:share=0.1", "attention policy 'dbudgetkv' has no option 'share=0.1' of the form key=value; known: threshold, metric, order, observed")]
    [InlineData("dbudgetkv:threshold=0", "attention policy 'dbudgetkv' takes threshold above 0 and at most 1, not '0'")]
    [InlineData("kvmerger:similarity=2", "attention policy 'kvmerger' takes similarity above 0 and at most 1, not '2'")]
    [InlineData("think:ratio=1", "attention policy 'think' takes ratio above 0 and at most 0.99, not '1'")]
    [InlineData("quest+kvmerger", "attention policy 'quest+kvmerger' is no pair: kvmerger decides row by row what it drops")]
    [InlineData("topk:share=0.1,share=0.2", "attention policy 'topk' is given share twice")]
    [InlineData("streaming:dense-layers=1,2", "attention policy 'streaming' has no option '2' of the form key=value; known: sinks, recent, dense-layers, min-context, seed")]
    [InlineData("streaming:dense-layers=x", "attention policy 'streaming' takes dense-layers layers from 0 on with + between, as 0+16, or none, not 'x'")]
    [InlineData("streaming:dense-layers=2+9", "attention policy 'streaming:dense-layers=2+9' names layer 9, and the model has layers 0 to 4")]
    public void BadOptionsAreRefusedWithTheRange(string policy, string message)
    {
        var run = CliRun.Of("run", "stories260K", "hi", "--attention", policy);
        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Equal(1, run.Error.Count(static c => c == '\n'));
    }
}
