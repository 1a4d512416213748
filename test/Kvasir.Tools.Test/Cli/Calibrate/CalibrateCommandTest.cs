using Kvasir.Attention.Dropping;
using Kvasir.Attention.Indexes;

namespace Kvasir.Tools.Test.Cli.Calibrate;

public sealed class CalibrateCommandTest : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvasir").FullName;

    private string Text => Path.Combine(_folder, "text.txt");

    private string Output => Path.Combine(_folder, "axes.safetensors");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void ACalibrationIsReadByTheNextRun()
    {
        File.WriteAllText(Text, string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. They ran and ran. ", 20)));
        var run = CliRun.Of("calibrate", "stories260K", "--text", Text, "--output", Output, "--tokens", "200", "--threads", "1");
        Assert.Equal((0, ""), (run.ExitCode, run.Output));
        Assert.Contains("200 tokens", run.Error, StringComparison.Ordinal);
        var axes = KeyAxes.Load(Output);
        Assert.Equal((5, 4, 8), (axes.LayerCount, axes.KvHeadCount, axes.Dim));
        for (var i = 0; i < 64; i++)
        {
            var (x, y) = (axes.Head(4, 3).Slice(i / 8 * 8, 8).ToArray(), axes.Head(4, 3).Slice(i % 8 * 8, 8).ToArray());
            Assert.Equal(i / 8 == i % 8 ? 1 : 0, x.Zip(y, static (a, b) => (double)a * b).Sum(), 1e-5);
        }

        string[] prompt = ["run", "stories260K", "Once upon a time there was a little girl", "--max-tokens", "60", "--temperature", "0", "--quiet"];
        var sparse = CliRun.Of([.. prompt, "--attention", $"loki:file={Output},rank=4,share=0.5,sinks=2,recent=4,min-context=0"]);
        Assert.Equal((0, ""), (sparse.ExitCode, sparse.Error));
        Assert.Equal(CliRun.Of(prompt).Output, CliRun.Of([.. prompt, "--attention", $"loki:file={Output},share=1,min-context=0"]).Output);
    }

    [Fact]
    public void BudgetsOfASampleOfPromptsAreReadByTheNextRun()
    {
        var (prompts, budgets) = (Path.Combine(_folder, "prompts.jsonl"), Path.Combine(_folder, "budgets.json"));
        var text = string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. They ran and ran. ", 12));
        File.WriteAllLines(prompts, [$"{{\"prompt\": \"{text}\"}}", $"{{\"prompt\": \"{text[30..]}\"}}", "{\"prompt\": \"hi\"}"]);
        var run = CliRun.Of("calibrate", "stories260K", "--for", "xkv", "--prompts", prompts, "--output", budgets, "--threads", "1");
        Assert.Equal((0, ""), (run.ExitCode, run.Output));
        Assert.Contains("budgets of 5 layers from 2 prompts", run.Error, StringComparison.Ordinal);
        Assert.Contains("\"model\": \"stories260K", File.ReadAllText(budgets), StringComparison.Ordinal);
        File.WriteAllText(Text, text);
        string[] answer = ["run", "stories260K", "--file", Text, "--raw", "--max-tokens", "20", "--temperature", "0", "--quiet", "--attention"];
        Assert.Equal(0, CliRun.Of([.. answer, $"xkv:file={budgets},share=0.3,min-context=0"]).ExitCode);
        Assert.Equal(CliRun.Of([.. answer, "dense"]).Output, CliRun.Of([.. answer, $"xkv:file={budgets},share=1,min-context=0"]).Output);
    }

    [Fact]
    public void WhatBudgetsLackIsSaidInOneLine()
    {
        var (prompts, budgets) = (Path.Combine(_folder, "prompts.jsonl"), Path.Combine(_folder, "budgets.json"));
        File.WriteAllText(prompts, "{\"prompt\": \"hi\"}\n");
        string[] calibrate = ["calibrate", "stories260K", "--for", "xkv", "--output", budgets, "-q"];
        CliRun.Of([.. calibrate, "--prompts", prompts]).AssertFails(1, "kvasir: none of 1 prompts is longer than the 8 tokens that are always kept");
        CliRun.Of(calibrate).AssertFails(2, "kvasir: prompts are missing: --prompts FILE with one a line as JSON, or --prompt-file FILE; see kvasir calibrate --help");
        CliRun.Of([.. calibrate, "--prompts", prompts, "--text", Text]).AssertFails(2, "kvasir: --text has a meaning with --for loki only; see kvasir calibrate --help");
        CliRun.Of("calibrate", "stories260K", "--output", budgets, "--prompts", prompts).AssertFails(
            2, "kvasir: --prompts has a meaning with --for xkv only; see kvasir calibrate --help");
        string[] run = ["run", "stories260K", "hi", "-q", "--attention"];
        CliRun.Of([.. run, "xkv"]).AssertFails(1, "kvasir: attention policy 'xkv' needs file=PATH, which kvasir calibrate --for xkv writes");
        new LayerBudgets("other", 1, 1, 2, new double[LayerBudgets.Steps]).Save(budgets, 1, 1);
        CliRun.Of([.. run, $"xkv:file={budgets}"]).AssertFails(
            1, $"kvasir: {budgets} is of 'other' with 1 layers of 1 KV heads of 2; this model has 5 of 4 of 8");
    }

    [Fact]
    public void WhatIsMissingIsSaidInOneLine()
    {
        CliRun.Of("calibrate", "stories260K", "--text", Text, "--output", Output, "-q").AssertFails(1, $"kvasir: {Text} does not exist");
        File.WriteAllText(Text, "Tom and Lily");
        var nowhere = Path.Combine(_folder, "none", "axes");
        var run = CliRun.Of("calibrate", "stories260K", "--text", Text, "--output", nowhere, "-q");
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith($"kvasir: {nowhere} cannot be written", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, run.Error.Count(static c => c == '\n'));
        CliRun.Of("run", "stories260K", "hi", "--attention", "loki", "-q").AssertFails(1, "kvasir: attention policy 'loki' needs file=PATH, which kvasir calibrate writes");
    }

    [Fact]
    public void ACalibrationOfAnotherModelIsRefusedByBenchToo()
    {
        new KeyAxes(1, 1, 2, new float[4]).Save(Output, "other", 1);
        CliRun.Of("bench", "stories260K", "--attention", $"loki:file={Output}", "--depth", "20", "--prefill", "0", "--decode", "4", "--repeat", "1", "-q").AssertFails(
            1, $"kvasir: {Output} is of a model with 1 layers of 1 KV heads of 2; this one has 5 of 4 of 8");
    }

    [Fact]
    public void ThePolicyListSaysWhatIsNeeded() =>
        Assert.Contains("written by kvasir calibrate", CliRun.Of("policies").Output, StringComparison.Ordinal);
}
