using System.Text.RegularExpressions;
using Kvasir.Attention.Policies;

namespace Kvasir.Tools.Test.Cli.Eval;

/// <summary><c>kvasir eval agree</c> and <c>kvasir eval ppl</c>.</summary>
public sealed class EvalLabelFreeTest : IDisposable
{
    private const string Window = "streaming:sinks=2,recent=6,min-context=0";
    private readonly TempFolder _folder = new();
    private readonly string _prompt;
    private readonly string _lines;
    private readonly string _text;

    public EvalLabelFreeTest()
    {
        _prompt = _folder.Write("one.txt", "Once upon a time there was a cat.\n");
        _lines = _folder.Write("p.jsonl", "{\"prompt\": \"Tom has a red ball. Lily has a dog.\"}\n{\"input\": \"The dog was sad. The dog was sad.\"}\n");
        _text = _folder.Write("text.txt", string.Concat(Enumerable.Repeat("Tom and Lily went to the park to play. ", 20)));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AgreementIsATableWithLengthsOfAnswers()
    {
        var run = CliRun.Of("eval", "agree", "stories260K", "--prompt-file", _prompt, "--attention", $"{Window},psa", "--protocol", "a,b", "--tokens", "30", "--threads", "1", "-q");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Matches("^  task +context +protocol +policy +samples +score +from dense +divergence +keys read +ms/token +MB/token +mass kept +output error *$", lines[1]);
        Assert.Matches("^  agree +[0-9]+ +A +dense +1 +1.000 ", lines[2]);
        Assert.Contains(lines, static line => line.StartsWith("protocol B: ", StringComparison.Ordinal));
        Assert.Contains("score: the share of tokens that dense attention puts first too", run.Output, StringComparison.Ordinal);
        Assert.Matches($"answers decoded freely\n  protocol +policy +tokens +dense attention's +equal answers\n  A +{Window} +30.0 +30.0 +0%\n  A +psa +30.0 +30.0 +100%\n", run.Output);
    }

    [Fact]
    public void AgreementGoesOnFromAStateFile()
    {
        var state = _folder.File("state.jsonl");
        string[] args = ["eval", "agree", "stories260K", "--prompts", _lines, "--attention", Window, "--tokens", "12", "--state", state, "--json", "-"];
        Assert.Equal(4, CliRun.Of(args).Json[0]["samples"]!.AsArray().Count);
        var written = File.ReadAllLines(state);
        Assert.StartsWith("{\"model\":\"stories260K ", written[0], StringComparison.Ordinal);
        File.WriteAllLines(state, written[..4]);
        var second = CliRun.Of(args);
        Assert.Equal("going on after 3 of 4 samples\n", second.Error);
        var samples = second.Json[0]["samples"]!.AsArray();
        Assert.Equal(4, samples.Count);
        Assert.All(samples, static sample => Assert.InRange((double)sample!["score"]!, 0, 1));
        Assert.All(samples, static sample => Assert.Equal(12, (int)sample!["expectedTokens"]!));
        CliRun.Of([.. args[..^2], "--question-tokens", "3"]).AssertFails(1, $"kvasir: {state}:1: is of another plan: its tasks are {Tasks(written[0])}, not {Tasks(written[0]).Replace("of 32", "of 3", StringComparison.Ordinal)}; --restart begins it anew, another --state keeps it");
    }

    [Fact]
    public void PerplexityIsATable()
    {
        var run = CliRun.Of("eval", "ppl", "stories260K", "--file", _text, "--context", "60,120", "--scored", "20", "--windows", "3", "--attention", Window, "--threads", "1", "-q");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Matches("^  task +context +protocol +policy +samples +score +from dense +95% interval +loss +perplexity +keys read ", lines[1]);
        Assert.Matches($"^  ppl +120 +B +{Window} +3 ", lines[5]);
        var csv = CliRun.Of("eval", "ppl", "stories260K", "--file", _text, "--context", "60", "--scored", "20", "--csv", "-", "-q").Output.Split('\n');
        Assert.Contains(",divergence,loss,answer,", csv[0], StringComparison.Ordinal);
        Assert.Matches("^ppl,60,[0-9]+,B,dense,0,,[0-9.]+,,[0-9.]+,,,,,20,1,", csv[1]);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void PagesHaveDivergencesAndLosses()
    {
        var (page, pictures) = (_folder.File("page.html"), _folder.File("pictures"));
        var agree = CliRun.Of("eval", "agree", "stories260K", "--prompts", _lines, "--attention", Window, "--tokens", "12", "--html", page, "--svg", pictures, "-q");
        Assert.Equal((0, ""), (agree.ExitCode, agree.Error));
        var text = Regex.Replace(File.ReadAllText(page), "<wbr ?/?>(</wbr>)?", "");
        Assert.Contains(">divergence, nats</th>", text, StringComparison.Ordinal);
        Assert.Contains("divergence: Kullback-Leibler", text, StringComparison.Ordinal);
        Assert.Contains($" --attention dense,{Window}</code>", text, StringComparison.Ordinal);
        Assert.Contains("<code>kvasir eval agree ", text, StringComparison.Ordinal);
        Assert.Contains("pareto.svg", Directory.GetFiles(pictures).Select(Path.GetFileName));
        var ppl = CliRun.Of("eval", "ppl", "stories260K", "--file", _text, "--context", "60,120", "--scored", "20", "--attention", Window, "--html", page, "--svg", pictures, "-q");
        Assert.Equal((0, ""), (ppl.ExitCode, ppl.Error));
        text = Regex.Replace(File.ReadAllText(page), "<wbr ?/?>(</wbr>)?", "");
        Assert.All([">loss, nats</th>", ">perplexity</th>", ">loss from dense</th>", "perplexity: its exponential", "<code>kvasir eval ppl "], part => Assert.Contains(part, text, StringComparison.Ordinal));
    }

    [Fact]
    public void PoliciesMayComeFromFiles()
    {
        var policy = _folder.Write("mine.policy", $"# mine\n{Window}\n");
        var run = CliRun.Of("eval", "agree", "stories260K", "--prompts", _lines, "--attention", $"psa,@{policy},quest:share=0.1,page=8", "--tokens", "4", "--csv", "-", "-q");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains($",A,\"{Window}\",0,", run.Output, StringComparison.Ordinal);
        Assert.Contains(",A,\"quest:share=0.1,page=8\",0,", run.Output, StringComparison.Ordinal);
        Assert.Equal((0, ""), CliRun.Of("run", "stories260K", "Once", "--max-tokens", "2", "-q", "--attention", $"@{policy}") is var plain ? (plain.ExitCode, plain.Error) : default);
        var broken = _folder.Write("broken.policy", "\npsa:cover=1");
        CliRun.Of("run", "stories260K", "Once", "--attention", $"@{broken}").AssertFails(
            2, $"kvasir: --attention: {broken}:2: attention policy 'psa' has no option 'cover=1' of the form key=value; known: {string.Join(", ", PolicyCatalog.Entries.Single(static entry => entry.Name == "psa").Options.Select(static option => option.Name))}; see kvasir run --help");
        CliRun.Of("bench", "stories260K", "--attention", "dense,@none.policy").AssertFails(2, "kvasir: --attention: none.policy does not exist; see kvasir bench --help");
        CliRun.Of("bench", "stories260K", "--attention", "@").AssertFails(2, "kvasir: --attention: '@' names no file; @mine.policy reads a policy from one; see kvasir bench --help");
    }

    [Theory]
    [InlineData("agree", "prompts are missing: --prompts FILE with one a line as JSON, or --prompt-file FILE")]
    [InlineData("agree", "--prompts and --prompt-file were given; one of them is allowed", "--prompts", "a", "--prompt-file", "b")]
    [InlineData("agree", "--tokens: '1' is out of range: 2 to 1024", "--prompts", "a", "--tokens", "1")]
    [InlineData("agree", "--question-tokens: '0' is out of range: 1 to 2147483647", "--prompts", "a", "--question-tokens", "0")]
    [InlineData("ppl", "--file PATH is missing")]
    [InlineData("ppl", "--windows: '0' is out of range: 1 to 1000000", "--file", "a", "--windows", "0")]
    [InlineData("ppl", "--context: 'x' is not a list of token counts such as 4096,16k", "--file", "a", "--context", "x")]
    public void BadCommandLinesAreOneLine(string verb, string message, params string[] args) =>
        CliRun.Of(["eval", verb, "stories260K", .. args]).AssertFails(2, $"kvasir: {message}; see kvasir eval {verb} --help");

    [Fact]
    public void WhatCannotBeRunIsOneLine()
    {
        CliRun.Of("eval", "agree", "stories260K", "--prompt-file", $"{_prompt},none.txt").AssertOneLine("none.txt does not exist");
        CliRun.Of("eval", "agree", "no-such-model", "--prompt-file", _folder.Write("empty.txt", "")).AssertOneLine("empty.txt: is empty");
        CliRun.Of("eval", "agree", "no-such-model", "--prompts", _folder.Write("bad.jsonl", "{")).AssertOneLine("bad.jsonl:1: is not valid JSON");
        CliRun.Of("eval", "agree", "no-such-model", "--prompt-file", _folder.Write("bytes.txt", [0xC3, 0x28])).AssertOneLine("bytes.txt:1: is not UTF-8 at byte 0");
        var longest = _folder.Write("long.txt", string.Concat(Enumerable.Repeat("one two three ", 300)));
        CliRun.Of("eval", "agree", "stories260K", "--prompt-file", longest).AssertOneLine($"{longest} takes ");
        CliRun.Of("eval", "agree", "stories260K", "--prompt-file", _prompt, "--tokens", "600").AssertOneLine("beyond the 512 that stories260K was made for");
        CliRun.Of("eval", "ppl", "stories260K", "--file", _text, "--context", "4k").AssertOneLine("a context of 4096 tokens is beyond the 512");
        CliRun.Of("eval", "ppl", "stories260K", "--file", _text, "--context", "100").AssertOneLine("a context of 100 tokens is too short: 256 scored ones take 258");
    }

    [Fact]
    public void HelpHasExamples()
    {
        Assert.Contains("kvasir eval agree model.gguf --prompts", CliRun.Of("eval", "agree", "--help").Output, StringComparison.Ordinal);
        Assert.Contains("kvasir eval ppl model.gguf --file", CliRun.Of("eval", "ppl", "--help").Output, StringComparison.Ordinal);
        var words = CliRun.Of("eval", "agree", "--help").Output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("[0 to 1; default: 0.05]", string.Join(' ', words), StringComparison.Ordinal);
    }

    private static string Tasks(string header) => $"{System.Text.Json.Nodes.JsonNode.Parse(header)!["tasks"]![0]}";
}
