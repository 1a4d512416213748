using System.Text.Json.Nodes;

namespace Kvasir.Tools.Test.Cli.Plan;

public sealed class PlanCommandTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ATableAnswersHowLongHowFastAndWhatToBuy()
    {
        var run = CliRun.Of("plan", "llama3.1-8b", "--context", "128k", "--batch", "4", "--memory", "24GiB", "--disk", "100GiB", "--machine", "rtx4090", "--target", "speed");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.StartsWith("llama3.1-8b: 4 x 131,072 tokens in 24.0 GiB of memory and 100.0 GiB of disk\nrtx4090, NVIDIA RTX 4090", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"\n +dense +bf16, on disk +[\d.]+ .+ GiB  64\.0 GiB ", run.Output);
        Assert.Matches(@"\n\* chosen by --target speed: \S+ with --kv \S+, .+\. A step takes .+: matrices \d+%, attention \d+%, reading \d+%, the rest \d+%\n", run.Output);
        Assert.Matches(@"\nby placements of others \(--kv-evict\)(.*\n)+ +flexgen: dense +bf16, on disk .*\n(.*\n)*.*alisa: alisa:scoring=literal +q8, on disk ", run.Output);
        Assert.Contains("\nwith twice the memory ", run.Output, StringComparison.Ordinal);
        Assert.Contains("\nwith a disk 4 times as fast ", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("llama3.1-8b", "q4_0")]
    [InlineData("needle", null)]
    [InlineData("llama3.2-1b:4", "bf16")]
    public void JsonIsThePlanOfABundledModelAndOfShapes(string model, string? weights)
    {
        string[] flags = weights is null ? [] : ["--weights", weights];
        var run = CliRun.Of(["plan", model, "--context", "32k", "--memory", "20GiB", "--machine", "l20", "--json", .. flags]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var plan = JsonNode.Parse(run.Output)!;
        Assert.Equal((32_768, 1), (plan["contextTokens"]!.GetValue<int>(), plan["batch"]!.GetValue<int>()));
        var way = Assert.Single(plan["ways"]!.AsArray(), static way => way!["isChosen"]!.GetValue<bool>())!;
        Assert.True(way["tokensPerSecond"]!.GetValue<double>() > 0 && way["longestContext"]!.GetValue<long>() >= 32_768);
        Assert.Equal("l20", plan["machine"]!["name"]!.ToString());
    }

    [Fact]
    public void AsManySequencesAreFoundAsAreFastestTogether()
    {
        string[] asked = ["plan", "llama3.1-8b", "--context", "8k", "--memory", "24GiB", "--machine", "l20", "--target", "speed", "--json", "--batch"];
        var (one, found) = (JsonNode.Parse(CliRun.Of([.. asked, "1"]).Output)!, JsonNode.Parse(CliRun.Of([.. asked, "auto"]).Output)!);
        Assert.InRange(found["batch"]!.GetValue<int>(), 2, 64);
        Assert.True(Rate(found) > 2 * Rate(one), $"{Rate(found)} after {Rate(one)}");
        Assert.Contains("--batch: '0' is out of range: 1 to 512", CliRun.Of([.. asked, "0"]).Error, StringComparison.Ordinal);

        static double Rate(JsonNode plan) => plan["ways"]!.AsArray().First(static way => way!["isChosen"]!.GetValue<bool>())!["tokensPerSecond"]!.GetValue<double>();
    }

    // Measured in a few milliseconds each, for which nobody would want the figures.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void WithoutAMachineThisOneIsMeasured()
    {
        var run = CliRun.Of("plan", "stories260K", "--context", "512", "--memory", "1GiB", "--disk", "1GiB", "--kv-dir", _folder.Path);
        Assert.Equal((0, "no --machine: this one is measured for this model, which takes some seconds\n"), (run.ExitCode, run.Error));
        Assert.Matches($@"measured on \d{{4}}-\d\d-\d\d with \d+ threads?; disk of {_folder.Path}", run.Output);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void RunsObeyAPlanAndWhatIsTypedCountsMore()
    {
        var file = _folder.File("stories.plan");
        var written = CliRun.Of("plan", "stories260K", "--context", "256", "--memory", "1GiB", "--machine", "l20", "--kv", "q8", "--out", file, "-q");
        Assert.Equal((0, ""), (written.ExitCode, written.Error));
        var way = Kvasir.Planning.TierPlan.Read(file).Chosen;
        var run = CliRun.Of("run", "stories260K", "Once", "--plan", file, "--max-tokens", "3", "--temperature", "0", "--threads", "1", "--json");
        Assert.Equal(0, run.ExitCode);
        var report = run.Json[0];
        Assert.Equal(("q8", way.Attention, 256, way.KvMemoryBytes), (
            $"{report["kv"]}", $"{report["policy"]}", report["usage"]!["contextTokens"]!.GetValue<int>(), report["memory"]!["kvMemoryBytes"]!.GetValue<long>()));
        // No card of 864 GB/s is here.
        const string Slower = @"note: memory gives .+/s, and the plan was made for .+/s; a plan made now would choose \S+ \S+ \(kvasir plan makes one\)\n";
        Assert.Matches(Slower, run.Error);
        Assert.Matches(Slower, CliRun.Of("bench", "stories260K", "--plan", file, "--prefill", "8", "--decode", "2", "--repeat", "1", "--threads", "1", "--fill", "random").Error);
        var typed = CliRun.Of(
            "run", "stories260K", "Once", "--plan", file, "--kv", "f32", "--attention", "streaming", "--max-tokens", "3", "--threads", "1", "--json", "-q");
        Assert.Equal(("f32", "streaming"), ($"{typed.Json[0]["kv"]}", $"{typed.Json[0]["policy"]}"));
        var bench = CliRun.Of("bench", "stories260K", "--plan", file, "--prefill", "8", "--decode", "2", "--repeat", "1", "--threads", "1", "--fill", "random", "--json", "-q");
        Assert.Equal(("q8", 248), ($"{bench.Json[0]["results"]![0]!["kv"]}", bench.Json[0]["results"]![0]!["depth"]!.GetValue<int>()));
        CliRun.Of("run", "needle", "Once", "--plan", file, "-q").AssertOneLine($"{file} is a plan for ");
        CliRun.Of("serve", "needle", "--plan", file, "--port", "0", "-q").AssertOneLine($"{file} is a plan for ");
    }

    [Fact]
    public void APlanReckonsWithATraceThatBenchRecorded()
    {
        var file = _folder.File("pages.txt");
        var bench = CliRun.Of(
            "bench", "needle", "--trace", file, "--depth", "1k", "--decode", "14", "--attention", "quest:share=0.1,page=32,min-context=0,dense-layers=none", "--threads", "1");
        Assert.Equal((0, $"wrote {file}: plan --trace {file} reckons with it\n"), (bench.ExitCode, bench.Error));
        Assert.Matches(@"\n +read by the step before +[\d.]+%\n", bench.Output);
        Assert.Matches(@"\n +counted +[\d.]+% .*\n +lru +.*\n +layer-lru +.*\n +optimum +[\d.]+% ", bench.Output);
        Assert.Equal(14, Kvasir.Measurement.PageTrace.Read(file).Steps.Count);
        // Of steps that all read the same, memory of a step's pages finds everything; of steps that never do, nothing.
        var (same, other) = (Trace("same", static _ => 3), Trace("other", static step => 3 + step));
        Assert.True(Rate(same) > 1.2 * Rate(other), $"{Rate(same)} and {Rate(other)}");
        CliRun.Of("plan", "needle", "--context", "32k", "--machine", "l20", "--trace", Trace("none", static _ => -1)).AssertOneLine($"{_folder.File("none")}: line 6 holds");
        var refused = CliRun.Of("bench", "--synthetic", "tiny", "--trace", file, "--depth", "64");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("--trace is of a MODEL that reads text", refused.Error, StringComparison.Ordinal);

        string Trace(string name, Func<int, int> page) => _folder.Write(
            name, $"kvasir page trace 1\nmodel m\npolicy quest\nheads 6 2\nrows 32000\n{string.Concat(Enumerable.Range(0, 60).Select(step => $"0:{page(step)}\n"))}");

        double Rate(string trace)
        {
            var run = CliRun.Of(
                "plan", "llama3.1-8b", "--context", "128k", "--memory", "12GiB", "--disk", "100GiB", "--machine", "l20", "--trace", trace, "--json");
            Assert.Equal((0, ""), (run.ExitCode, run.Error));
            return JsonNode.Parse(run.Output)!["ways"]!.AsArray().Where(static way => way!["onFile"]!.GetValue<bool>() && $"{way["attention"]}".StartsWith("quest", StringComparison.Ordinal))
                .Max(static way => way!["tokensPerSecond"]!.GetValue<double>());
        }
    }

    [Fact]
    public void APlanOnDiskAsksForItsFolder()
    {
        var file = _folder.File("disk.plan");
        var written = CliRun.Of("plan", "tiny", "--context", "4k", "--memory", "1GiB", "--machine", "l20", "--out", file, "-q");
        Assert.Equal((0, ""), (written.ExitCode, written.Error));
        // So small a model has no use for a disk.
        File.WriteAllText(file, File.ReadAllText(file).Replace("\"onFile\": false", "\"onFile\": true", StringComparison.Ordinal));
        CliRun.Of("bench", "--synthetic", "tiny", "--plan", file, "-q").AssertOneLine("of keys and values on disk: --kv-dir says where");
    }

    [Theory]
    [InlineData("--context: '0' is out of range: 1 to 2147483647", "tiny", "--context", "0")]
    [InlineData("--batch: '0' is out of range: 1 to 512", "tiny", "--batch", "0")]
    [InlineData("--memory: 'much' is not a size such as 512M, 2G or 1.5GiB", "tiny", "--memory", "much")]
    [InlineData("--target: 'best' is not quality, speed or memory", "tiny", "--target", "best")]
    [InlineData("--kv-dir is where --disk lies, and that was not given", "tiny", "--kv-dir", ".")]
    [InlineData("--weights is for a shape; a model's file has its own", "stories260K", "--weights", "q8_0")]
    [InlineData("--threads is for this machine, and --machine names another's figures", "tiny", "--threads", "2", "--machine", "l20")]
    public void BadCommandLinesAreOneLine(string message, params string[] args)
    {
        var run = CliRun.Of(["plan", .. args]);
        Assert.Equal((2, $"kvasir: {message}; see kvasir plan --help\n"), (run.ExitCode, run.Error));
    }

    [Fact]
    public void WhatCannotBePlannedIsOneLine()
    {
        CliRun.Of("plan", "nothing.gguf", "--machine", "l20").AssertOneLine("shapes without weights are llama3.2-1b");
        CliRun.Of("plan", "llama3.1-8b", "--memory", "2GiB", "--machine", "l20").AssertOneLine("do not fit into 2147483648 bytes of memory; the nearest that would is ");
        File.WriteAllText(_folder.File("bad.json"), "{}");
        var run = CliRun.Of("plan", "tiny", "--machine", _folder.File("bad.json"));
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("has no figures of a machine, as kvasir bench --machine --json writes", run.Error, StringComparison.Ordinal);
        Assert.Contains("is not a file of figures, or v100-16", CliRun.Of("plan", "tiny", "--machine", "abacus").Error, StringComparison.Ordinal);
    }
}
