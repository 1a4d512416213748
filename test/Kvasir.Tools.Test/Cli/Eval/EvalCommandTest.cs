using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Eval;

public sealed class EvalCommandTest : IDisposable
{
    private const string Window = "streaming:sinks=2,recent=30,min-context=0";
    private static readonly string[] Small = ["eval", "passkey", "stories260K", "--kv", "f32", "--threads", "1"];
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheTableHasARowForEachTaskLengthProtocolAndPolicy()
    {
        var run = CliRun.Of([.. Small, "--context", "260,200", "--attention", "streaming:sinks=2,recent=30", "--min-context", "0", "--protocol", "b,a", "--samples", "2", "-q"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Equal("stories260K, KV f32, 1 thread, seed 1", lines[0]);
        Assert.Matches("^  task +context +protocol +policy +samples +score +from dense +keys read +ms/token +MB/token *$", lines[1]);
        var expected =
            from context in new[] { 200, 260 }
            from protocol in new[] { "A", "B" }
            from policy in new[] { "dense", Window }
            select $"passkey {context} {protocol} {policy} 2 ";
        Assert.Equal(expected, lines[2..10].Select(static line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[..5]) + " "));
        Assert.All(lines[2..10], line => Assert.Equal(line.Contains("dense", StringComparison.Ordinal), line.Contains(" 100% ", StringComparison.Ordinal)));
        Assert.Contains("protocol A: context, question", run.Output, StringComparison.Ordinal);

        // A pair is a policy of the list, and --min-context is for both of its parts.
        const string Pair = "quest:page=4,sinks=2,recent=8,dense-layers=none+streaming:sinks=2,recent=30";
        string[] compared = [.. Small, "--context", "200", "--attention", $"streaming:sinks=2,recent=30,{Pair}", "--min-context", "0", "--samples", "2"];
        var read = CliRun.Of([.. compared, "--json", "-"]).Json[0]["tasks"]!.AsArray();
        var told = $"{Pair},min-context=0".Replace("none+", "none,min-context=0+", StringComparison.Ordinal);
        Assert.Equal(["dense", Window, told], read.Select(static row => $"{row!["policy"]}"));
        Assert.True(read[2]!["keysRead"]!.GetValue<double>() < read[1]!["keysRead"]!.GetValue<double>(), "the pair reads a part of what is left");
        Assert.Contains("protocol B: the context is computed densely; question", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesHoldSettingsRowsAndSamples()
    {
        var (json, csv) = (_folder.File("out.json"), _folder.File("out.csv"));
        var run = CliRun.Of([.. Small, "--context", "200", "--samples", "3", "--attention", Window, "--json", json, "--csv", csv, "--audit", "1", "--seed", "7", "-q"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("mass kept", run.Output, StringComparison.Ordinal);
        var report = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(json))!;
        Assert.Equal(("stories260K", 7, 1, "f32"), ($"{report["settings"]!["model"]}", (int)report["settings"]!["seed"]!, (int)report["settings"]!["threads"]!, $"{report["settings"]!["kv"]}"));
        Assert.StartsWith("kvasir eval passkey stories260K --kv f32", $"{report["settings"]!["command"]}", StringComparison.Ordinal);
        Assert.Null(report["partial"]);
        Assert.Equal((2, 6), (report["tasks"]!.AsArray().Count, report["samples"]!.AsArray().Count));
        Assert.True((double)report["tasks"]![1]!["massKept"]! is > 0 and < 1);
        Assert.Equal("questionDense", $"{report["samples"]![0]!["protocol"]}");
        var lines = File.ReadAllLines(csv);
        Assert.StartsWith("task,context,prompt_tokens,protocol,policy,sample,", lines[0], StringComparison.Ordinal);
        Assert.Matches($"^passkey,200,[0-9]+,A,\"{Window}\",1,", lines[5]);
        Assert.Equal(7, lines.Length);
    }

    [Fact]
    public void PageAndPicturesAreWritten()
    {
        var (page, pictures) = (_folder.File("page.html"), _folder.File("pictures"));
        var run = CliRun.Of([.. Small, "--context", "200", "--samples", "3", "--attention", Window, "--min-context", "0", "--html", page, "--svg", pictures, "-q"]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var text = File.ReadAllText(page);
        Assert.Contains("Evaluation of stories260K", text, StringComparison.Ordinal);
        Assert.Contains($"<code>kvasir eval passkey stories260K --kv f32 --threads 1 --context 200 --samples 3 --attention dense,{Window}</code>", text, StringComparison.Ordinal);
        // No needle lies at a chosen depth, and one point near dense is none.
        Assert.Equal(["bytes.svg", "layers.svg", "pareto.svg", "time.svg"], Directory.GetFiles(pictures).Select(Path.GetFileName).Where(static name => name is not ("needle.svg" or "pareto-near-dense.svg")).Order());
        Assert.All(Directory.GetFiles(pictures), static path => Assert.StartsWith("<svg", File.ReadAllText(path), StringComparison.Ordinal));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ADashWritesToTheStandardOutput()
    {
        Assert.Equal(3, CliRun.Of([.. Small, "--context", "200", "--samples", "3", "--json", "-"]).Json.Single()["samples"]!.AsArray().Count);
        Assert.Equal(4, CliRun.Of([.. Small, "--context", "200", "--samples", "3", "--csv", "-"]).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public void SweepsRunEveryPolicyFromFewKeysToMany()
    {
        var rows = CliRun.Of([.. Small, "--context", "200", "--attention", "quest:page=4,recent=8,min-context=0,dense-layers=none", "--sweep", "budget", "--samples", "1", "--json", "-"]).Json[0]["tasks"]!.AsArray();
        Assert.Equal(6, rows.Count);
        Assert.Contains("share=0.01", $"{rows[1]!["policy"]}", StringComparison.Ordinal);
        Assert.True((double)rows[1]!["keysRead"]! < (double)rows[5]!["keysRead"]!);
    }

    [Fact]
    public void PoliciesThatReadEverythingAreNoted()
    {
        var run = CliRun.Of([.. Small, "--context", "200", "--attention", "psa", "--samples", "1"]);
        Assert.EndsWith("note: psa read everything at 200 tokens; --min-context 0 lets it choose\n", run.Error, StringComparison.Ordinal);
        Assert.Equal("", CliRun.Of([.. Small, "--context", "200", "--attention", "psa", "--samples", "1", "-q"]).Error);
    }

    [Fact]
    public void ARunThatComesToNothingLeavesFilesAsTheyWere()
    {
        var kept = _folder.Write("kept.csv", "earlier");
        var run = CliRun.Of(
            "eval", "passkey", "nothing-here", "--json", _folder.File("a.json"), "--csv", kept, "--html", _folder.File("a.html"), "--svg", _folder.File("new/pictures"));
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("kvasir: nothing-here is neither", run.Error, StringComparison.Ordinal);
        Assert.Equal([kept], Directory.GetFileSystemEntries(_folder.Path));
        Assert.Equal("earlier", File.ReadAllText(kept));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AnInterruptedRunSaysHowToGoOn()
    {
        var state = _folder.File("state.jsonl");
        var page = _folder.File("page.html");
        string[] args = [.. Small, "--context", "200", "--batch", "1", "--attention", Window, "--state", state, "--samples", "20", "--html", page];
        var interrupts = new Interrupts();
        var shell = new Shell(TextReader.Null, new StringWriter(), new StringWriter()) { Interrupts = interrupts };
        using var ended = new ManualResetEvent(false);
        // A thread of its own: those of the pool are busy with other tests.
        var watcher = new Thread(() =>
        {
            while (!ended.WaitOne(2))
            {
                if (!File.Exists(state) || new FileInfo(state).Length <= 3000)
                    continue;
                interrupts.Raise(ExitCode.Interrupted);
                return;
            }
        });
        watcher.Start();
        var first = CliRun.With(shell, args);
        ended.Set();
        watcher.Join();
        Assert.Equal(ExitCode.Interrupted, first.ExitCode);
        Assert.Matches("(^|\n)interrupted after [0-9]+ of 40 samples; the same command goes on from there\n$", first.Error);
        Assert.Contains("interrupted: not all samples", first.Output, StringComparison.Ordinal);
        Assert.Contains("the run was interrupted, and others are missing", File.ReadAllText(page), StringComparison.Ordinal);
        var done = File.ReadAllLines(state).Length - 1;
        Assert.InRange(done, 1, 39);
        var second = CliRun.Of([.. args, "--json", "-"]);
        Assert.Equal(0, second.ExitCode);
        Assert.StartsWith($"going on after {done} of 40 samples\n", second.Error, StringComparison.Ordinal);
        Assert.Equal(40, second.Json[0]["samples"]!.AsArray().Count);
        Assert.DoesNotContain("the run was interrupted", File.ReadAllText(page), StringComparison.Ordinal);
        CliRun.Of([.. args, "--seed", "9"]).AssertFails(1, $"kvasir: {state}:1: is of another plan: its seed is 1, not 9; --restart begins it anew, another --state keeps it");
    }

    [Theory]
    [InlineData("niah_single_9", "task 'niah_single_9' is unknown; known: niah_single_1, ")]
    [InlineData("passkey,", "task '' is unknown; known: ")]
    [InlineData("passkey", "--attention: attention policy 'x' is unknown; known: dense, magicpig", "--attention", "x")]
    [InlineData("passkey", "--samples: '0' is out of range: 1 to 1000000", "--samples", "0")]
    [InlineData("passkey", "--context: '0' is out of range: 1 to 2147483647", "--context", "0")]
    [InlineData("passkey", "--protocol: 'a,c' is not a, b or a,b", "--protocol", "a,c")]
    [InlineData("passkey", "--sweep: 'all' is not budget", "--sweep", "all")]
    [InlineData("passkey", "--batch: '513' is out of range: 1 to 512", "--batch", "513")]
    [InlineData("passkey", "--restart has a meaning with --state FILE only", "--restart")]
    [InlineData("passkey", "--json - and --csv - were given; one of them is allowed", "--csv", "-", "--json", "-")]
    public void BadCommandLinesAreOneLine(string task, string message, params string[] args)
    {
        var run = CliRun.Of(["eval", task, "stories260K", .. args]);
        Assert.StartsWith($"kvasir: {message}", run.Error, StringComparison.Ordinal);
        Assert.EndsWith("; see kvasir eval --help\n", run.Error, StringComparison.Ordinal);
        Assert.Equal((2, 1), (run.ExitCode, run.Error.Count(static letter => letter == '\n')));
    }

    [Theory]
    [InlineData("passkey", "a context of 600 tokens is beyond the 512 that stories260K was made for", "--context", "600")]
    [InlineData("passkey", "task passkey takes no file; it was given none.jsonl", "--file", "none.jsonl")]
    [InlineData("jsonl", "task jsonl needs a file: JSONL with answers")]
    [InlineData("jsonl", "none.jsonl: ", "--file", "none.jsonl")]
    [InlineData("passkey", "attention policy 'streaming:dense-layers=9' names layer 9", "--context", "200", "--attention", "streaming:dense-layers=9")]
    [InlineData("passkey", "/none/x.json cannot be written: ", "--context", "200", "--json", "/none/x.json")]
    [InlineData("passkey", "/none/x.html cannot be written: ", "--context", "200", "--html", "/none/x.html")]
    [InlineData("passkey", "/dev/null cannot be written: ", "--context", "200", "--svg", "/dev/null")]
    [InlineData("passkey", "/proc/none cannot be written: ", "--context", "200", "--svg", "/proc/none")]
    [InlineData("passkey", "/none/x.jsonl cannot be written: ", "--context", "200", "--state", "/none/x.jsonl")]
    [InlineData("vt", "task vt takes at least ", "--context", "40")]
    public void WhatCannotBeRunIsOneLine(string task, string message, params string[] args)
    {
        var run = CliRun.Of(["eval", task, "stories260K", .. args]);
        Assert.StartsWith("kvasir: ", run.Error, StringComparison.Ordinal);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Equal((1, 1), (run.ExitCode, run.Error.Count(static letter => letter == '\n')));
    }

    [Fact]
    public void AnEmptyFileIsNamed()
    {
        var path = _folder.Write("empty.jsonl", "");
        CliRun.Of("eval", "jsonl", "stories260K", "--file", path).AssertFails(1, $"kvasir: {path}: is empty; a JSON object on each line is expected");
    }

    [Fact]
    public void AFamilyRunsWithoutWhatNeedsAFile()
    {
        // Some of them have no room in this model's window, which is known before anything is computed.
        var run = CliRun.Of("eval", "ruler", "stories260K", "--context", "512");
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("without qa_1, qa_2: they need --file\n", run.Error, StringComparison.Ordinal);
        // On a slow machine it says in between how far it is.
        Assert.Contains("kvasir: task cwe takes at least ", run.Error, StringComparison.Ordinal);
        var path = _folder.Write("questions.jsonl", """{"question": "Who?", "answers": ["me"], "documents": ["It was me."]}""");
        Assert.DoesNotContain("without", CliRun.Of("eval", "ruler", "stories260K", "--context", "512", "--file", path).Error, StringComparison.Ordinal);
    }
}
