using Kvasir.Attention.Policies;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Tune;

public sealed class TuneCommandTest : IDisposable
{
    private const string Quest = "quest:page=4,recent=4,sinks=2,dense-layers=none";
    private readonly TempFolder _folder = new();
    private readonly string _prompts;
    private readonly string _found;

    public TuneCommandTest()
    {
        _prompts = _folder.Write("p.jsonl", string.Concat(new[] { "Tom has a red ball. ", "The dog was sad. " }.Select(static text => $"{{\"prompt\": \"{string.Concat(Enumerable.Repeat(text, 12))}\"}}\n")));
        _found = _folder.File("found.policy");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheFindIsWrittenAsAPolicyFile()
    {
        var run = Tune("--target", "60%", "--attention", $"{Quest},psa", "--min-context", "0", "--out", _found);
        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("stories260K: agreement with dense attention, protocol A, target 60%\n", run.Output, StringComparison.Ordinal);
        Assert.Matches("\n  policy +kept +95% interval +keys read +ms/token +target\n  dense +100% ", run.Output);
        Assert.Contains("kept, cheapest", run.Output, StringComparison.Ordinal);
        Assert.Matches($"(^|\n)wrote {_found}: --attention @{_found} keeps [0-9.]+%.*\n$", run.Error);
        var lines = File.ReadAllLines(_found);
        Assert.All(lines[..^1], static line => Assert.StartsWith("# ", line, StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith($"# kvasir tune stories260K --prompts {_prompts} ", StringComparison.Ordinal));
        Assert.Contains(lines, static line => line.Contains("2 samples of up to ", StringComparison.Ordinal));
        Assert.Contains($"  {lines[^1]} ", run.Output, StringComparison.Ordinal);
        Assert.Equal(PolicyCatalog.Parse(lines[^1]).Name, PolicyFile.Read(_found).Name);
        Assert.Equal(0, CliRun.Of("run", "stories260K", "Once", "--max-tokens", "2", "-q", "--attention", $"@{_found}").ExitCode);
    }

    [Fact]
    public void WhereNothingKeepsTheTargetNothingIsWritten()
    {
        // These prompts are shorter than what the policy reads whole.
        var run = Tune("--target", "1", "--attention", "psa", "--out", _found);
        Assert.Equal((1, "kvasir: no policy reads less than everything on these samples; --min-context 0 lets them choose on short ones\n"), (run.ExitCode, LastLine(run.Error)));
        run = Tune("--target", "100%", "--attention", "topk:sinks=1,recent=1", "--min-context", "0", "--out", _found, "--tokens", "60");
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("kvasir: no setting keeps 100%; the nearest is topk:", LastLine(run.Error), StringComparison.Ordinal);
        Assert.False(File.Exists(_found));
    }

    [Fact]
    public void JsonHoldsEverySetting()
    {
        var run = Tune("--target", "0.6", "--attention", Quest, "--min-context", "0", "--by", "time", "--json", "-q", "--protocol", "b");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var report = run.Json.Single();
        Assert.Equal(("agreement with dense attention, protocol B", 0.6, "time"), ($"{report["measure"]}", (double)report["target"]!, $"{report["by"]}"));
        Assert.Equal(1, (double)report["dense"]!["kept"]!);
        Assert.True(report["points"]!.AsArray().Count >= 1);
        Assert.True((double)report["best"]!["kept"]! >= 0.6);
    }

    [Fact]
    public void TasksAreTunedByTheirScore()
    {
        var file = _folder.Write("q.jsonl", $"{{\"prompt\": \"{string.Concat(Enumerable.Repeat("The dog was sad. ", 12))}\", \"answer\": \"a\", \"max_new_tokens\": 20}}\n");
        var run = CliRun.Of("tune", "stories260K", "--task", "jsonl", "--file", file, "--target", "90%", "--attention", Quest, "--min-context", "0", "--context", "100", "-q");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.StartsWith("stories260K: dense attention's score of jsonl, protocol A, target 90%\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AnInterruptWritesNothing()
    {
        var interrupts = new Interrupts();
        var shell = new Shell(TextReader.Null, new StringWriter(), new StringWriter()) { Interrupts = interrupts };
        using var watcher = new Timer(_ => interrupts.Raise(ExitCode.Interrupted));
        watcher.Change(700, 20);
        var run = CliRun.With(shell, "tune", "stories260K", "--prompts", _prompts, "--min-context", "0", "--tokens", "250", "--target", "100%", "--steps", "20", "--out", _found, "-q", "--batch", "1");
        Assert.Equal((ExitCode.Interrupted, "interrupted; nothing was written\n"), (run.ExitCode, LastLine(run.Error)));
        Assert.False(File.Exists(_found));
    }

    [Theory]
    [InlineData("prompts are missing: --prompts FILE with one a line as JSON, or --prompt-file FILE")]
    [InlineData("--target: '0' is not a share above 0 and at most 1, such as 99% or 0.99", "--prompts", "a", "--target", "0")]
    [InlineData("--target: '101%' is not a share above 0 and at most 1, such as 99% or 0.99", "--prompts", "a", "--target", "101%")]
    [InlineData("--by: 'money' is not keys or time", "--prompts", "a", "--by", "money")]
    [InlineData("--steps: '21' is out of range: 0 to 20", "--prompts", "a", "--steps", "21")]
    [InlineData("--protocol: 'a,b' is not a or b", "--prompts", "a", "--protocol", "a,b")]
    [InlineData("--context has a meaning with --task NAME only", "--prompts", "a", "--context", "4k")]
    [InlineData("prompts and --task were given; one of them is allowed", "--prompts", "a", "--task", "vt")]
    public void BadCommandLinesAreOneLine(string message, params string[] args) =>
        CliRun.Of(["tune", "stories260K", .. args]).AssertFails(2, $"kvasir: {message}; see kvasir tune --help");

    [Fact]
    public void WhatCannotBeRunIsOneLine()
    {
        CliRun.Of("tune", "no-such-model", "--prompts", "none.jsonl").AssertOneLine("none.jsonl: ");
        CliRun.Of("tune", "no-such-model", "--prompts", _prompts, "--out", "/none/x.policy").AssertOneLine("/none/x.policy cannot be written: ");
        CliRun.Of("tune", "no-such-model", "--task", "x").AssertOneLine("task 'x' is unknown; known: ");
        CliRun.Of("tune", "stories260K", "--prompts", _prompts, "--tokens", "500").AssertOneLine("beyond the 512 that stories260K was made for");
        CliRun.Of("tune", "stories260K", "--task", "passkey", "--context", "200", "--samples", "2", "-q").AssertOneLine("dense attention scores 0 on all of these 2 samples");
        Assert.Contains("--attention @mine.policy", CliRun.Of("tune", "--help").Output, StringComparison.Ordinal);
    }

    private CliRun Tune(params string[] args) => CliRun.Of(["tune", "stories260K", "--prompts", _prompts, .. args.Contains("--tokens") ? (string[])[] : ["--tokens", "16"], "--threads", "1", "--kv", "f32", .. args]);

    private static string LastLine(string text) => text.TrimEnd('\n').Split('\n')[^1] + "\n";
}
