using System.Xml.Linq;
using Kvasir.Attention.Policies;

namespace Kvasir.Tools.Test.Cli.Inspect;

/// <summary><c>kvasir inspect --attention</c>.</summary>
public sealed class InspectAttentionTest : IDisposable
{
    private const string Streaming = "streaming:sinks=2,recent=9,min-context=0";
    private const string TopK = "topk:share=0.1,sinks=2,recent=4,min-context=0";
    private readonly TempFolder _folder = new();
    private readonly string _prompt;
    private readonly string _text = string.Concat(Enumerable.Repeat("Tom & Lily went to the <big> park. ", 12)) + "The end";

    public InspectAttentionTest()
    {
        _prompt = System.IO.Path.Combine(_folder.Path, "prompt.txt");
        File.WriteAllText(_prompt, _text + "\n");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void JsonHasTheFiguresOfDoublePrecision()
    {
        var run = Inspect("--policies", $"dense,{Streaming},{TopK}", "--queries", "5", "--kv", "f32", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var json = Assert.Single(run.Json);
        using var model = Generation.LoadStories();
        var tokens = model.Tokenizer.Encode(_text);
        Assert.Equal((tokens.Length, 5, 5, 8, 4), (Int(json, "promptTokens"), Int(json, "queries"), Int(json, "layers"), Int(json, "heads"), Int(json, "kvHeads")));
        Assert.Equal(["dense", Streaming, TopK], json["policies"]!.AsArray().Select(static policy => policy!["policy"]!.ToString()));
        Assert.Equal(("1", "1", "0"), (json["policies"]![0]!["keysReadShare"]!.ToString(), json["policies"]![0]!["massKept"]!.ToString(), json["policies"]![0]!["error"]!.ToString()));
        // What a first layer attends follows from the tokens alone: a prompt of all but five tokens, and the five as if generated.
        foreach (var (policy, at) in new[] { (Streaming, 1), (TopK, 2) })
        {
            var recorded = new RecordedAttention(PolicyCatalog.Parse(policy));
            using var engine = new Engine(model, new EngineOptions { Kv = Kvasir.Kernels.Attention.Formats.KvFormat.F32, Threads = 1, KvMemoryBytes = 64 << 20 });
            new Kvasir.Measurement.AttentionProbe(engine, [recorded], 5).Run(tokens);
            var heads = recorded.Figures.Where(static figure => figure.Layer == 0).GroupBy(static figure => (2 * figure.KvHead) + figure.Head).OrderBy(static head => head.Key).ToArray();
            var layer = json["policies"]![at]!["layers"]![0]!;
            Assert.Equal(8, heads.Length);
            foreach (var head in heads)
            {
                Assert.Equal(head.Average(static figure => figure.Error), Number(layer["heads"]!["error"]![head.Key]), 1e-4);
                Assert.Equal(head.Average(static figure => figure.Mass), Number(layer["heads"]!["massKept"]![head.Key]), 1e-4);
                Assert.Equal(head.Average(static figure => (double)figure.RowsUsed / figure.RowsInSight), Number(layer["heads"]!["keysUsedShare"]![head.Key]), 1e-5);
            }

            Assert.Equal(heads.Average(static head => head.Average(static figure => figure.Error)), Number(layer["error"]), 1e-4);
            Assert.Equal(heads.Average(static head => head.Average(static figure => (double)figure.RowsRead / figure.RowsInSight)), Number(layer["keysReadShare"]), 1e-5);
        }
    }

    [Fact]
    public void TextHasARowForEachPolicyAndLayer()
    {
        var run = Inspect("--policies", $"dense,{Streaming}", "--policies", TopK);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Matches("^attention of stories260K: the last 16 of [0-9]+ prompt tokens, KV bf16", lines[0]);
        Assert.Matches(@"^  dense +100% +100% +100% +0%$", lines[2]);
        Assert.Equal(3, lines.Count(static line => line is "dense" or Streaming or TopK));
        Assert.Equal(3 * 5, lines.Count(static line => System.Text.RegularExpressions.Regex.IsMatch(line, @"^  +[0-4]( +[0-9.]+%){4}$")));
    }

    [Fact]
    public void ThePageStandsAloneAndIsWellFormed()
    {
        var path = System.IO.Path.Combine(_folder.Path, "page.html");
        File.WriteAllText(path, new string('x', 1 << 20));
        var run = Inspect("--policies", $"dense,{Streaming},{TopK}", "--html", path);
        Assert.Equal(0, run.ExitCode);
        var text = File.ReadAllText(path);
        Assert.StartsWith("<!DOCTYPE html>", text, StringComparison.Ordinal);
        foreach (var foreign in new[] { "http:", "https:", "<script", "<link", "@import", "url(" })
            Assert.DoesNotContain(foreign, text, StringComparison.OrdinalIgnoreCase);
        var page = XDocument.Parse(text);
        // Three maps for each of three policies, and the curves.
        var drawings = page.Descendants("svg").ToArray();
        Assert.Equal(1 + (3 * 3), drawings.Length);
        Assert.Equal(5 + 1, drawings[0].Elements("polyline").Count());
        foreach (var map in drawings[1..])
        {
            var cells = map.Elements("rect").Where(static cell => cell.Element("title") is not null).ToArray();
            Assert.Equal(5 * 8, cells.Length);
            Assert.Equal(5 * 8, cells.Select(static cell => cell.Element("title")!.Value.Split(':')[0]).Distinct().Count());
            Assert.All(cells, static cell => Assert.Matches("^#[0-9a-f]{6}$", cell.Attribute("fill")!.Value));
        }

        Assert.Contains("layer 4, head 7: 100%", drawings[1].Value, StringComparison.Ordinal);
        Assert.Equal(run.Output.Split('\n')[3].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..], page.Descendants("tr").ElementAt(2).Elements("td").Skip(2).Take(4).Select(static cell => cell.Value));
    }

    [Fact]
    public void WhatCannotBeDoneIsOneLine()
    {
        Inspect("--policies", "dense,densest").AssertFails(2, $"kvasir: --policies: attention policy 'densest' is unknown; known: {string.Join(", ", PolicyCatalog.Entries.Select(static entry => entry.Name))}; see kvasir inspect --help");
        Inspect("--queries", "0").AssertFails(2, "kvasir: --queries: '0' is out of range: 1 to 256; see kvasir inspect --help");
        Inspect("--tensors").AssertFails(2, "kvasir: --tensors and --attention were given; one of them is allowed; see kvasir inspect --help");
        CliRun.Of("inspect", "--attention", "stories260K").AssertFails(2, "kvasir: --attention needs a prompt: --prompt-file PATH; see kvasir inspect --help");
        CliRun.Of("inspect", "stories260K", "--html", "x.html").AssertFails(2, "kvasir: --html has a meaning with --attention only; see kvasir inspect --help");
        Inspect("--html", System.IO.Path.Combine(_folder.Path, "no", "page.html")).AssertOneLine("cannot be written");
        Inspect("--context", "64").AssertOneLine("longer than the context of 64");
        Inspect("--policies", "streaming:dense-layers=7").AssertOneLine("names layer 7");
        File.WriteAllText(_prompt, "\n");
        Inspect().AssertFails(1, $"kvasir: {_prompt} is empty");
        File.WriteAllText(_prompt, "Once");
        Inspect().AssertOneLine("too short for 16 queries; they need 17 tokens");
    }

    private static int Int(System.Text.Json.Nodes.JsonNode json, string name) => json[name]!.GetValue<int>();

    private static double Number(System.Text.Json.Nodes.JsonNode? node) => node!.GetValue<double>();

    private CliRun Inspect(params string[] args) => CliRun.Of(["inspect", "--attention", "stories260K", "--prompt-file", _prompt, .. args]);
}
