using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Demo;

public sealed class DemoCommandTest
{
    private const string Window = "streaming:sinks=2,recent=30";
    private static readonly string[] Small = ["demo", "--model", "stories260K", "--context", "400", "--questions", "4", "--threads", "1", "--kv", "f32"];

    [Fact]
    public void ElsewhereThanOnATerminalThereIsALineForEachAnswerAndATableAtTheEnd()
    {
        var run = CliRun.Of([.. Small, "--attention", $"dense,{Window}"]);
        Assert.Equal(0, run.ExitCode);
        var notes = run.Error.TrimEnd('\n').Split('\n');
        Assert.Matches("^stories260K reads 3[0-9]{2} tokens once: 3 keys and 2 chains of variables in idle words; then it is asked for 4 numbers$", notes[0]);
        Assert.Matches("^dense attention reads all of it, [0-9.]+ MiB of keys and values, for every token; streaming looks for the part that matters$", notes[1]);
        Assert.Equal("note: min-context is 0 for streaming, which would read everything at this length", notes[2]);
        Assert.Equal(8, notes.Count(static note => note.Contains(" of keys read, ", StringComparison.Ordinal)));
        Assert.StartsWith("next: kvasir run stories260K \" ", notes[^1], StringComparison.Ordinal);
        var lines = run.Output.TrimEnd('\n').Split('\n');
        Assert.Matches("^question +answer +at +dense +streaming$", lines[0]);
        Assert.All(lines[1..5], static line => Assert.Matches("^(key|VAR) [a-z]+ +[0-9]{2} +[0-9]+% +[✓✗] .+ +[✓✗] ", line));
        Assert.Matches("^dense +[0-4] of 4 +100% ", lines[7]);
        Assert.Matches("^streaming +[0-4] of 4 +[0-9.]+% ", lines[8]);
        Assert.DoesNotContain("100%", lines[8], StringComparison.Ordinal);
        Assert.Equal(9, lines.Length);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheBundledModelAnswersUnderThePoliciesOfTheDemo()
    {
        var report = CliRun.Of("demo", "--context", "4k", "--questions", "6", "--threads", "1", "--json", "-q").Json.Single();
        Assert.Equal(["dense", "magicpig", "psa", "guarded"], report["policies"]!.AsArray().Select(static policy => $"{policy!["name"]}".Split(':')[0]));
        Assert.All(report["policies"]!.AsArray(), static policy => Assert.Equal(6, (int)policy!["right"]!));
        Assert.All(report["policies"]!.AsArray().Skip(1), static policy => Assert.True((double)policy!["keysRead"]! < 1));
    }

    [Fact]
    public void JsonHasWhatTheTableHas()
    {
        var run = CliRun.Of([.. Small, "--attention", $"dense,{Window}", "--seed", "7", "--json", "-q"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var report = run.Json.Single();
        Assert.Equal(("stories260K", 400, 7, "f32", 1), ($"{report["model"]}", (int)report["context"]!, (int)report["seed"]!, $"{report["kv"]}", (int)report["threads"]!));
        Assert.True((int)report["sharedTokens"]! is > 0 and var shared && shared % 32 == 0 && shared < (int)report["textTokens"]!);
        Assert.Null(report["partial"]);
        Assert.Equal(["dense", $"{Window},min-context=0"], report["policies"]!.AsArray().Select(static policy => $"{policy!["name"]}"));
        Assert.Equal((1, 4), ((double)report["policies"]![0]!["keysRead"]!, (int)report["policies"]![0]!["asked"]!));
        Assert.True((double)report["policies"]![1]!["keysRead"]! is > 0 and < 0.5);
        Assert.All(report["questions"]!.AsArray(), static question =>
        {
            Assert.Equal(2, question!["answers"]!.AsArray().Count);
            Assert.All(question["answers"]!.AsArray(), answer => Assert.True(!(bool)answer!["right"]! || $"{answer["answer"]}".Contains($"{question["expected"]}", StringComparison.Ordinal)));
        });
    }

    [Fact]
    public void OneAnswerDoesNotDependOnTheOthers()
    {
        string[] Answers(params string[] args) =>
            [.. CliRun.Of([.. Small, .. args, "--json", "-q"]).Json.Single()["questions"]!.AsArray().Select(static question => $"{question!["question"]} {question["answers"]!.AsArray()[^1]!["answer"]}")];
        Assert.Equal(Answers("--attention", Window), Answers("--attention", $"dense,quest:page=4,recent=8,{Window}"));
    }

    [Fact]
    public void ATerminalHasTheTableDrawnAgainInPlaceAndOnceInTheEnd()
    {
        var shell = new Shell(TextReader.Null, new StringWriter(), new StringWriter()) { ErrorIsTerminal = true, OutputIsTerminal = true, HasColor = true, Columns = static () => 60, Rows = static () => 12 };
        var run = CliRun.With(shell, [.. Small, "--attention", "dense"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("asking for ", run.Error, StringComparison.Ordinal);
        Assert.Contains("A\e[J", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(" of keys read, ", run.Error, StringComparison.Ordinal);
        Assert.StartsWith("question   answer", run.Output, StringComparison.Ordinal);
        Assert.Matches("\e\\[3[12]m[✓✗] ", run.Output);
        Assert.DoesNotContain("\e[1A", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void AnInterruptLeavesTheAnswersSoFar()
    {
        var interrupts = new Interrupts();
        var error = new WatchedWriter(static text => text.Contains("1 of 4, ", StringComparison.Ordinal), () => interrupts.Raise(ExitCode.Interrupted));
        var run = CliRun.With(new Shell(TextReader.Null, new StringWriter(), error) { Interrupts = interrupts }, [.. Small, "--attention", $"dense,{Window}", "--json"]);
        Assert.Equal(ExitCode.Interrupted, run.ExitCode);
        Assert.EndsWith("\ninterrupted after 1 of 8 answers\n", run.Error, StringComparison.Ordinal);
        Assert.True((bool)run.Json.Single()["partial"]!);
        Assert.Equal((1, 0), ((int)run.Json[0]["policies"]![0]!["asked"]!, (int)run.Json[0]["policies"]![1]!["asked"]!));
    }

    [Fact]
    public void QuietWritesTheTableAlone()
    {
        var run = CliRun.Of([.. Small, "--attention", "dense", "-q"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.StartsWith("question ", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--questions: '0' is out of range: 1 to 32", "--questions", "0")]
    [InlineData("--questions: '33' is out of range: 1 to 32", "--questions", "33")]
    [InlineData("--context: '0' is out of range: 1 to 2147483647", "--context", "0")]
    [InlineData("--attention: attention policy 'x' is unknown; known: dense, magicpig", "--attention", "dense,x")]
    [InlineData("--seed: '-1' is out of range: 0 to 2^64 - 1", "--seed", "-1")]
    public void BadCommandLinesAreOneLine(string message, params string[] args)
    {
        var run = CliRun.Of(["demo", .. args]);
        Assert.StartsWith($"kvasir: {message}", run.Error, StringComparison.Ordinal);
        Assert.EndsWith("; see kvasir demo --help\n", run.Error, StringComparison.Ordinal);
        Assert.Equal((2, 1), (run.ExitCode, run.Error.Count(static letter => letter == '\n')));
    }

    [Theory]
    [InlineData("a context of 600 tokens is beyond the 512 that stories260K was made for", "--context", "600")]
    [InlineData("task haystack with 8 questions takes at least ", "--context", "64")]
    [InlineData("names layer 9, and the model has layers 0 to 4", "--attention", "streaming:dense-layers=9")]
    public void WhatCannotBeRunIsOneLine(string message, params string[] args) =>
        CliRun.Of(["demo", "--model", "stories260K", .. args]).AssertOneLine(message);

    [Fact]
    public void AModelThatIsNowhereIsNamed() =>
        CliRun.Of("demo", "--model", "nowhere").AssertOneLine("nowhere is neither a GGUF file, nor a folder with a model, nor a bundled model (");
}
