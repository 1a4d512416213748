namespace Kvasir.Tools.Test.Cli.Shared;

/// <summary>What was passed over in a model's files is told once, where it does not disturb.</summary>
public sealed class NotesTest : IDisposable
{
    private const string Note = "key tokenizer.ggml.eos_token_id is 512, which no token has; tokenizer.ggml.tokens has 512 entries; it counts as absent";
    private readonly TempFolder _folder = new();
    private readonly string _model;

    public NotesTest() => _model = _folder.Write("side.gguf", StoriesCopy.Gguf().Set("tokenizer.ggml.eos_token_id", 512u).Build());

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void EveryVerbThatLoadsTellsOnStandardErrorUnlessQuiet()
    {
        _folder.Write("text.txt", string.Concat(Enumerable.Repeat("Once upon a time there was a girl. ", 40)));
        string[][] verbs =
        [
            ["run", _model, "Once", "--max-tokens", "2"],
            ["bench", _model, "--prefill", "8", "--decode", "2", "--repeat", "1"],
            ["eval", "ppl", _model, "--file", _folder.File("text.txt"), "--context", "64", "--windows", "1", "--scored", "16", "--attention", "dense"],
            ["calibrate", _model, "--text", _folder.File("text.txt"), "--output", _folder.File("axes.safetensors")],
        ];
        foreach (var verb in verbs)
        {
            var told = CliRun.Of(verb);
            Assert.True(told.ExitCode == 0, $"{verb[0]}: {told.Error}");
            Assert.Equal($"note: {_model}: {Note}", Assert.Single(told.Error.Split('\n'), line => line.StartsWith("note: ", StringComparison.Ordinal)));
            Assert.DoesNotContain("counts as absent", told.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("counts as absent", CliRun.Of([.. verb, "--quiet"]).Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void InspectShowsThemAmongWhatTheFilesHold()
    {
        var text = CliRun.Of("inspect", _model);
        Assert.Equal((0, ""), (text.ExitCode, text.Error));
        Assert.Contains($"\npassed over\n  {_model}: {Note}\n", text.Output, StringComparison.Ordinal);
        Assert.Equal([$"{_model}: {Note}"], CliRun.Of("inspect", _model, "--json").Json[0]["notes"]!.AsArray().Select(static line => line!.ToString()));
        Assert.Empty(CliRun.Of("inspect", "stories260K", "--json").Json[0]["notes"]!.AsArray());
        Assert.DoesNotContain("passed over", CliRun.Of("inspect", "stories260K").Output, StringComparison.Ordinal);
    }

    // Both numbers of what cannot be had are in one line; what can be had is had.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void AWindowBeyondAnyMemoryRunsInWhatThereIs()
    {
        foreach (var context in (string[])["512M", "2147483647"])
        {
            var run = CliRun.Of("run", "stories260K", "Once", "--context", context, "--max-tokens", "3", "--temperature", "0", "--quiet", "--attention", "dense");
            Assert.Equal((0, " upon a time", ""), (run.ExitCode, run.Output.TrimEnd('\n'), run.Error));
        }

        CliRun.Of("bench", "stories260K", "--context", "2000M", "--depth", "1900M", "--kv-memory", "1000000T", "--prefill", "0", "--decode", "1", "--repeat", "1", "--fill", "random", "--quiet")
            .AssertOneLine("a sequence of 1992294401 tokens is more than the ");
    }
}
