namespace Kvasir.Tools.Test.Cli.Shared;

/// <summary>Every command with a model of which one weight is NaN.</summary>
public sealed class NotFiniteCommandsTest : IDisposable
{
    private const string Story = "Once upon a time there was a little girl and a big dog. They went to the park to play with a ball. ";
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("run MODEL Once -q")]
    [InlineData("run MODEL Once -q --temperature 0")]
    [InlineData("run MODEL Once -q --json --logprobs 2")]
    [InlineData("run MODEL Once -q --json --audit 1 --attention streaming:recent=2,min-context=0")]
    [InlineData("eval agree MODEL --prompt-file TEXT --attention psa -q")]
    [InlineData("eval agree MODEL --prompt-file TEXT --attention psa -q --json - --html PAGE")]
    [InlineData("eval ppl MODEL --file TEXT --context 40 --scored 8 --attention psa -q --json -")]
    [InlineData("tune MODEL --prompt-file TEXT --attention psa -q --json")]
    [InlineData("inspect MODEL --attention --prompt-file TEXT --policies psa --queries 4 --json --html PAGE")]
    [InlineData("demo --model MODEL --context 400 --questions 1 --attention psa -q --json")]
    [InlineData("bench MODEL --depth 8 --prefill 8 --decode 4 --repeat 1 -q --json")]
    [InlineData("calibrate MODEL --text TEXT --output AXES -q")]
    public void SaysSoInOneLine(string line)
    {
        var model = DamagedModel.Write(_folder, "blk.2.ffn_down.weight", float.NaN);
        var text = _folder.Write("text.txt", string.Concat(Enumerable.Repeat(Story, 6)));
        var page = _folder.File("page.html");
        string[] args = [.. line.Split(' ').Select(part => part switch { "MODEL" => model, "TEXT" => text, "PAGE" => page, "AXES" => _folder.File("axes"), _ => part })];
        var run = CliRun.Of(args);
        Assert.True(run.ExitCode == 1, $"exit {run.ExitCode}: {run.Error}");
        Assert.Contains("not finite", run.Error, StringComparison.Ordinal);
        // Heads are looked at side by side, and the first that finds one says so.
        if (line.StartsWith("inspect", StringComparison.Ordinal))
            Assert.Matches("layer 3, KV head [0-3], query head 0 of 2: attention scores of the token at position", run.Error);
        Assert.Single(run.Error.TrimEnd('\n').Split('\n'));
        Assert.DoesNotContain("Infinity", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(":\"NaN\"", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("100%", run.Output, StringComparison.Ordinal);
        if (line.Contains("--json", StringComparison.Ordinal))
            Assert.Equal("notFinite", (string?)run.Json[^1]["error"]!["kind"] ?? "");
        Assert.False(File.Exists(page) && File.ReadAllText(page).Contains("NaN", StringComparison.Ordinal));
    }

    [Fact]
    public void AnEmptyTextHasNoKeysToMeasure()
    {
        foreach (var content in new[] { "", "\n", " \n\t" })
        {
            var text = _folder.Write("empty.txt", content);
            CliRun.Of("calibrate", "stories260K", "--text", text, "--output", _folder.File("axes"), "-q").AssertFails(1, $"kvasir: {text} is empty");
            Assert.False(File.Exists(_folder.File("axes")));
        }
    }

    [Fact]
    public void ATemperatureNearZeroIsGreedy()
    {
        string[] args = ["run", "stories260K", "Once upon a time", "--max-tokens", "30", "-q", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--temperature"];
        var greedy = CliRun.Of([.. args, "0"]).Output;
        foreach (var temperature in new[] { "1e-39", "1e-38", "1e-30", "1e-300" })
            Assert.Equal(greedy, CliRun.Of([.. args, temperature, "--seed", "3"]).Output);
    }

    [Theory]
    [InlineData("--temperature")]
    [InlineData("--top-p")]
    [InlineData("--min-p")]
    [InlineData("--repeat-penalty")]
    [InlineData("--presence-penalty")]
    [InlineData("--frequency-penalty")]
    [InlineData("--audit")]
    public void NumbersThatAreNoneAreRefused(string option)
    {
        foreach (var value in new[] { "NaN", "Infinity", "-Infinity" })
        {
            var run = CliRun.Of("run", "stories260K", "x", option, value);
            Assert.Equal(2, run.ExitCode);
            Assert.Contains($"{option}: '{value}' is not a number from", run.Error, StringComparison.Ordinal);
        }

        Assert.Contains($"{option}: '1e400' is out of range: ", CliRun.Of("run", "stories260K", "x", option, "1e400").Error, StringComparison.Ordinal);
    }
}
