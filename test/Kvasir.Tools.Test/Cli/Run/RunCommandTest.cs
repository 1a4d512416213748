using System.Text.Json.Nodes;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Run;

public sealed class RunCommandTest : IDisposable
{
    private const string Greedy =
        ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, "
        + "but it was too high.\nLily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do.";

    private static readonly string[] GreedyArgs = ["run", "stories260K", "Once upon a time", "--temperature", "0", "--quiet"];
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void GreedyAnswerIsTheModelsOwn()
    {
        var run = CliRun.Of(GreedyArgs);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.StartsWith(Greedy, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void FolderAndFileGiveTheSameText() =>
        Assert.Equal(
            CliRun.Of("run", TestModels.StoriesGguf, "The cat", "--temperature", "0", "--max-tokens", "40", "-q"),
            CliRun.Of("run", TestModels.StoriesFolder, "The cat", "--temperature", "0", "--max-tokens", "40", "-q"));

    // Five layers of 0.2 MB, of which one stays.
    [Fact]
    public void WeightsBeyondWhatTheyMayTakeAreReadAtEachStep()
    {
        string[] args = ["run", "stories260K", "The cat", "--temperature", "0", "--max-tokens", "10", "--threads", "1"];
        var (whole, streamed) = (CliRun.Of([.. args, "--json"]).Json[0], CliRun.Of([.. args, "--json", "--weights-memory", "800K"]).Json[0]);
        Assert.Equal(whole["text"]!.ToString(), streamed["text"]!.ToString());
        Assert.Null(whole["memory"]!["streamedBytes"]);
        Assert.InRange(streamed["memory"]!["streamedBytes"]!.GetValue<long>(), 600_000, 1_000_000);
        Assert.Matches(@"KiB, [\d.]+ KiB of them \(4 layers\) read at each step.*\n(.*\n)*weights read [\d.]+ MiB, waited ", CliRun.Of([.. args, "--weights-memory", "800K"]).Error);
        CliRun.Of([.. args, "-q", "--weights-memory", "1K"]).AssertOneLine("may take 1024 bytes of memory; they need ");
        CliRun.Of("run", "needle", "x", "-q", "--weights-memory", "5M", "--kv-rank", "32").AssertOneLine("cannot be read layer by layer");
    }

    [Fact]
    public void PromptComesFromStandardInputOrAFileLessOneLineBreak()
    {
        var file = Path.Combine(_folder.Path, "prompt.txt");
        File.WriteAllText(file, "Once upon a time\n");
        string[] args = ["--temperature", "0", "-q", "--max-tokens", "20"];
        var typed = CliRun.Of(["run", "stories260K", "Once upon a time", .. args]);
        Assert.Equal(typed, CliRun.With("Once upon a time\r\n", ["run", "stories260K", .. args]));
        Assert.Equal(typed, CliRun.With("Once upon a time\n", ["run", "stories260K", "-", .. args]));
        Assert.Equal(typed, CliRun.Of(["run", "stories260K", "--file", file, .. args]));
        Assert.NotEqual(typed, CliRun.Of(["run", "stories260K", "--file", file, "--raw", .. args]));
    }

    [Fact]
    public void AModelThatFillsNoGapsSaysSoAndASuffixIsForTextsAsTheyAre()
    {
        var refused = CliRun.Of("run", "stories260K", "Once", "--raw", "--suffix", " end");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("fills no gaps", refused.Error);
        Assert.Contains("give --raw too", CliRun.Of("run", "stories260K", "Once", "--suffix", " end").Error);
    }

    [Fact]
    public void MaxTokensAndStopEndTheAnswer()
    {
        Assert.Equal(", there was a little girl\n", CliRun.Of([.. GreedyArgs, "--stop", " named"]).Output);
        Assert.Equal(", there\n", CliRun.Of([.. GreedyArgs, "--stop", "xyz", "--stop", " was a"]).Output);
        var run = CliRun.Of([.. GreedyArgs, "--max-tokens", "3", "--json"]).Json[0];
        Assert.Equal(3, run["usage"]!["generatedTokens"]!.GetValue<int>());
        Assert.Equal("length", run["finishReason"]!.GetValue<string>());
    }

    [Fact]
    public void AnswersFitTheSchemaOfAFile()
    {
        var file = Path.Combine(_folder.Path, "schema.json");
        File.WriteAllText(file, """{"type":"object","properties":{"name":{"type":"string","maxLength":9,"format":"hostname"},"age":{"type":"integer","minimum":1,"maximum":9}},"required":["name","age"]}""");
        var run = CliRun.Of("run", "stories260K", "Lily", "--json-schema", file, "--seed", "3");
        Assert.Equal(0, run.ExitCode);
        var answer = run.Json[0];
        Assert.InRange(answer["age"]!.GetValue<int>(), 1, 9);
        Assert.InRange(answer["name"]!.GetValue<string>().Length, 0, 9);
        Assert.Contains("note: the schema's keyword /properties/name/format is not supported, and the answer may break it", run.Error, StringComparison.Ordinal);
        Assert.StartsWith("{", CliRun.Of("run", "stories260K", "Lily", "--json-object", "--max-tokens", "5", "-q").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void ASchemaThatCannotBeFollowedIsRefused()
    {
        var file = Path.Combine(_folder.Path, "schema.json");
        File.WriteAllText(file, """{"type":"string","pattern":"(?=x)"}""");
        var run = CliRun.Of("run", "stories260K", "Lily", "--json-schema", file, "-q");
        Assert.Equal((ExitCode.Failed, ""), (run.ExitCode, run.Output));
        Assert.Contains($"{file}: schema: the root: the pattern '(?=x)' has look-ahead", run.Error, StringComparison.Ordinal);
        Assert.Contains("does not exist", CliRun.Of("run", "stories260K", "Lily", "--json-schema", file + "x", "-q").Error, StringComparison.Ordinal);
        Assert.Contains("one of them is allowed", CliRun.Of("run", "stories260K", "Lily", "--json-schema", file, "--json-object").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void SeedsRepeatAnswersAndFreshOnesAreReported()
    {
        string[] args = ["run", "stories260K", "Once", "--temperature", "1.5", "--max-tokens", "30", "--json"];
        var fresh = CliRun.Of(args).Json[0];
        var seed = fresh["seed"]!.ToString();
        Assert.Equal(fresh["text"]!.ToString(), CliRun.Of([.. args, "--seed", seed]).Json[0]["text"]!.ToString());
        Assert.NotEqual(fresh["text"]!.ToString(), CliRun.Of([.. args, "--seed", "1"]).Json[0]["text"]!.ToString());
    }

    [Fact]
    public void AnAuditIsALineOfFiguresAndAnObjectOfTheJson()
    {
        string[] args = ["run", "stories260K", "Once upon a time", "--temperature", "0", "--max-tokens", "60", "--ignore-end", "--seed", "1", "--attention", "streaming:recent=8,min-context=0"];
        var plain = CliRun.Of([.. args, "--json", "-q"]).Json[0];
        var audited = CliRun.Of([.. args, "--json", "-q", "--audit", "0.25"]).Json[0];
        Assert.Equal(plain["text"]!.ToString(), audited["text"]!.ToString());
        Assert.Null(plain["audit"]);
        var audit = audited["audit"]!;
        Assert.Equal(0.25, audit["share"]!.GetValue<double>());
        var heads = audit["auditedHeads"]!.GetValue<long>();
        Assert.InRange(heads, 100, 400);
        Assert.InRange(audit["massKept"]!.GetValue<double>(), 0.2, 0.9999);
        Assert.InRange(audit["meanError"]!.GetValue<double>(), 0.001, 1);
        Assert.InRange(audit["keysReadShare"]!.GetValue<double>(), 0.1, 0.9);
        Assert.InRange(audit["worstLayer"]!.GetValue<int>(), 0, 4);
        Assert.Matches($@"audit of {heads} heads: error mean [\d.]+%, p50 [\d.]+%, p99 [\d.]+%, worst layer \d [\d.]+% \| mass kept [\d.]+% \| keys read [\d.]+%", CliRun.Of([.. args, "--audit", "0.25"]).Error);
        Assert.Contains("audit of 25%: no head left anything out\n", CliRun.Of([.. args[..^2], "--audit", "0.25"]).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void GuessesChangeNoTokenAndAreTold()
    {
        string[] args = ["run", "stories260K", string.Concat(Enumerable.Repeat("Tom has a red ball. ", 8)), "--temperature", "0", "--max-tokens", "60", "--ignore-end", "--seed", "1"];
        var plain = CliRun.Of([.. args, "--json", "-q"]).Json[0];
        var guessed = CliRun.Of([.. args, "--json", "-q", "--speculate", "4"]).Json[0];
        Assert.Equal(plain["tokens"]!.ToJsonString(), guessed["tokens"]!.ToJsonString());
        Assert.Null(plain["timings"]!["guessedTokens"]);
        var (guesses, accepted) = (guessed["timings"]!["guessedTokens"]!.GetValue<int>(), guessed["timings"]!["acceptedTokens"]!.GetValue<int>());
        Assert.InRange(accepted, 1, guesses);
        Assert.Contains($"\nguessed {guesses} tokens, {accepted} of them right\n", CliRun.Of([.. args, "--speculate", "4"]).Error, StringComparison.Ordinal);
        Assert.DoesNotContain("guessed", CliRun.Of([.. args, "--speculate", "4", "--max-tokens", "1"]).Error, StringComparison.Ordinal);
        var refused = CliRun.Of([.. args, "--speculate", "17"]);
        Assert.Equal(2, refused.ExitCode);
        Assert.Matches("--speculate.*17.*0 to 16", Assert.Single(refused.Error.TrimEnd('\n').Split('\n')));
    }

    [Fact]
    public void JsonTellsAllAboutAnAnswer()
    {
        var run = CliRun.Of([.. GreedyArgs, "--max-tokens", "4", "--json", "--logprobs", "2", "--kv", "q8", "--threads", "1", "--seed", "5", "--context", "64"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var json = Assert.Single(run.Json);
        Assert.Equal(", there was a", json["text"]!.ToString());
        Assert.Equal(4, json["tokens"]!.AsArray().Count);
        Assert.Equal("""{"promptTokens":5,"generatedTokens":4,"totalTokens":9,"contextTokens":64}""", json["usage"]!.ToJsonString());
        Assert.Equal(("5", "dense", "q8", "1"), (json["seed"]!.ToString(), json["policy"]!.ToString(), json["kv"]!.ToString(), json["threads"]!.ToString()));
        Assert.Equal("llama", json["model"]!["architecture"]!.ToString());
        Assert.True(json["memory"]!["peakBytes"]!.GetValue<long>() > 1 << 20);
        Assert.True(json["timings"]!["prefillTokensPerSecond"]!.GetValue<double>() > 0);
        var logprobs = json["logprobs"]!.AsArray();
        Assert.Equal(4, logprobs.Count);
        foreach (var (logprob, token) in logprobs.Zip(json["tokens"]!.AsArray()))
            AssertGreedy(logprob!, token!.GetValue<int>());
    }

    [Fact]
    public void PlanAndTimingsStandOnTheErrorStream()
    {
        var run = CliRun.Of("run", "stories260K", "Once upon a time", "--temperature", "0", "--max-tokens", "8", "--seed", "7", "--threads", "1", "--kv-memory", "2M");
        var lines = run.Error.Split('\n');
        Assert.Equal("stories260K: llama, 5 layers | weights 1015.8 KiB | context 512", lines[0]);
        Assert.Equal("KV bf16 2.5 KiB/token: 2.0 MiB hold 800 tokens", lines[1]);
        Assert.Matches(@"^load \S+ m?s \| prefill 5 tokens in \S+ m?s, [\d,.]+ tok/s$", lines[2]);
        Assert.Matches(@"^decode 8 tokens in \S+ m?s, [\d,.]+ tok/s \| ended by --max-tokens$", lines[3]);
        Assert.Matches(@"^peak memory [\d.]+ [MG]iB \| attention auto: dense \| 1 thread \| seed 7$", lines[4]);
    }

    [Fact]
    public void BansAndBiasesReachTheSampler()
    {
        var first = CliRun.Of([.. GreedyArgs, "--max-tokens", "1", "--json"]).Json[0]["tokens"]![0]!.GetValue<int>();
        var banned = CliRun.Of([.. GreedyArgs, "--max-tokens", "1", "--json", "--logit-bias", $"{first}=-100", "--logit-bias", "400=100"]).Json[0];
        Assert.Equal(400, banned["tokens"]![0]!.GetValue<int>());
    }

    [Fact]
    public void InterruptEndsTheAnswerAndKeepsWhatThereIs()
    {
        var interrupts = new Interrupts();
        var output = new WatchedWriter(text => text.Contains("girl", StringComparison.Ordinal), () => Assert.True(interrupts.Raise(ExitCode.Interrupted)));
        var run = CliRun.With(new Shell(new StringReader(""), output, new StringWriter()) { Interrupts = interrupts }, [.. GreedyArgs[..^1]]);
        Assert.Equal(130, run.ExitCode);
        Assert.StartsWith(", there was a little girl", run.Output, StringComparison.Ordinal);
        Assert.True(run.Output.Length < 60, run.Output);
        Assert.Contains("| interrupted\n", run.Error, StringComparison.Ordinal);
        Assert.False(interrupts.Raise(ExitCode.Interrupted));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AnInterruptedPromptSaysHowFarItWasRead()
    {
        var interrupts = new Interrupts();
        var finger = new Thread(() => SpinWait.SpinUntil(() => interrupts.Raise(ExitCode.Interrupted)));
        finger.Start();
        var shell = new Shell(new StringReader(string.Concat(Enumerable.Repeat("Once upon a time. ", 20_000))), new StringWriter(), new StringWriter()) { Interrupts = interrupts };
        var run = CliRun.With(shell, "run", "stories260K", "--context", "1M");
        finger.Join();
        Assert.Equal((130, "\n"), (run.ExitCode, run.Output));
        Assert.Matches(@"\| prefill [\d,]+ of [\d,]+ tokens\n", run.Error);
    }

    [Fact]
    public void NotesWarnOfAContextThatTheModelOrTheMemoryDoesNotHold()
    {
        var error = CliRun.Of("run", "stories260K", "hi", "--max-tokens", "1", "--context", "4k", "--kv-memory", "1M").Error;
        Assert.Contains("note: past the 512 tokens that the model was made for, its text may be nonsense\n", error, StringComparison.Ordinal);
        Assert.Contains("note: the KV memory holds fewer tokens than the context;", error, StringComparison.Ordinal);
    }

    [Fact]
    public void AReaderThatLeavesEndsTheRunQuietly()
    {
        var output = new WatchedWriter(text => text.Contains("girl", StringComparison.Ordinal), static () => throw new IOException("Broken pipe", 32));
        var run = CliRun.With(new Shell(new StringReader(""), output, new StringWriter()), GreedyArgs);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
    }

    [Fact]
    public void PlainTextModelsTakeNoInstructions() =>
        CliRun.Of("run", TestModels.StoriesGguf, "hi", "--system", "be kind", "-q").AssertFails(
            1, $"kvasir: {TestModels.StoriesGguf} has no chat template for --system; write the instructions into the prompt");

    [Fact]
    public void LimitsAreNamedWithBothNumbers()
    {
        var prompt = string.Concat(Enumerable.Repeat("Once upon a time. ", 200));
        var tokens = CliRun.With(prompt, "run", "stories260K", "--context", "16k", "--max-tokens", "1", "--json", "-q").Json[0]["usage"]!["promptTokens"]!.GetValue<int>();
        CliRun.With(prompt, "run", "stories260K", "-q").AssertFails(1, $"kvasir: the prompt of {tokens} tokens leaves no room in the context of 512");
        CliRun.With("x", "run", "stories260K", "--kv-memory", "8k", "-q").AssertFails(1, "kvasir: the KV memory of 8192 bytes is less than the 81920 bytes that the first 32 tokens take");
        CliRun.With("x", "run", "stories260K", "--kv-memory", "1", "-q").AssertFails(1, "kvasir: the KV memory of 1 byte is less than one page of 4096 bytes");
        var tight = CliRun.With(prompt, "run", "stories260K", "--context", "16k", "--kv-memory", "800k", "-q");
        tight.AssertFails(1, $"kvasir: the prompt of {tokens} tokens needs {(tokens + 1) * 2560} bytes of KV memory, and the limit of 819200 bytes holds 320 tokens");
    }

    [Fact]
    public void FilesThatCannotBePromptsAreNamed()
    {
        var binary = Path.Combine(_folder.Path, "binary");
        File.WriteAllBytes(binary, [65, 66, 0xC3, 0x28]);
        CliRun.Of("run", "stories260K", "--file", binary).AssertFails(1, $"kvasir: {binary}:1: is not UTF-8 at byte 2; text in UTF-8, or in UTF-16 with a byte order mark, can be read");
        CliRun.Of("run", "stories260K", "--file", "/none/such").AssertFails(1, "kvasir: /none/such does not exist");
        var missing = CliRun.Of("run", "no-such-model", "hi", "--json", "-q");
        Assert.Equal((1, "kvasir: no-such-model is neither a GGUF file, nor a folder with a model, nor a bundled model (needle, stories260K)\n"), (missing.ExitCode, missing.Error));
        Assert.Equal("fileNotFound", missing.Json[0]["error"]!["kind"]!.ToString());
        Assert.Equal(1, missing.Json[0]["exitCode"]!.GetValue<int>());
    }

    private static void AssertGreedy(JsonNode logprob, int token)
    {
        Assert.Equal(token, logprob["token"]!.GetValue<int>());
        var alternatives = logprob["alternatives"]!.AsArray();
        Assert.Equal(2, alternatives.Count);
        Assert.Equal(token, alternatives[0]!["token"]!.GetValue<int>());
        Assert.Equal(logprob["logprob"]!.GetValue<double>(), alternatives[0]!["logprob"]!.GetValue<double>());
        Assert.InRange(logprob["logprob"]!.GetValue<double>(), alternatives[1]!["logprob"]!.GetValue<double>(), 0);
    }
}
