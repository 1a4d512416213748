using System.Text.Json;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Models;

namespace Kvasir.Test.Measurement;

public sealed class AutoAttentionTest : IDisposable
{
    private static readonly KvFormat Kv = KvFormat.BF16;
    private readonly TempFolder _folder = new();
    private readonly Model _model = Generation.LoadStories();
    private readonly string _path;

    public AutoAttentionTest() => _path = _folder.File("auto.json");

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void WhatWasMeasuredIsKeptForTheNextTime()
    {
        var path = Path.Combine(_folder.Path, "new", "auto.json");
        var first = Choose(1 << 20, path);
        var (key, tokens) = Assert.Single(Lengths(path));
        Assert.Equal(AutoAttention.Key(_model.Config, Kv), key);
        Assert.Equal(tokens == 0 ? Dense : From(tokens), first);
        Assert.Equal("auto.json", Path.GetFileName(Assert.Single(Directory.GetFiles(Path.GetDirectoryName(path)!))));
        // A length that nobody would measure is one that was read.
        var text = File.ReadAllText(path);
        File.WriteAllText(path, text.Replace($": {tokens}", ": 12345", StringComparison.Ordinal));
        Assert.Equal(From(12345), Choose(1 << 20, path));
        Assert.Equal(12345, Assert.Single(Lengths(path)).Value);
    }

    [Fact]
    public void ContextsBelowTheLengthAreDense()
    {
        Keep(300);
        Assert.Equal(From(300), Choose(0));
        Assert.Equal(From(300), Choose(300));
        Assert.Equal(Dense, Choose(299));
        Assert.Equal("auto: dense", $"{Choose(299)}");
        Assert.Equal("auto: dense below 300 tokens, guarded from there on", $"{Choose(300)}");
        Keep(0);
        Assert.Equal(Dense, Choose(1 << 20));
    }

    [Fact]
    public void ShortContextsAreDenseWithoutMeasuring()
    {
        Assert.Equal(Dense, Choose(2047));
        Keep(300);
        Assert.Equal(Dense, AutoAttention.Choose(_model.Config, KvFormat.F32, 0, _path));
        Assert.Single(Lengths(_path));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[300]")]
    [InlineData("{\"KEY\": \"300\"}")]
    [InlineData("{\"KEY\": 1e300}")]
    [InlineData("{\"KEY\": -1}")]
    [InlineData("{\"KEY\": 300, \"other\"")]
    [InlineData("\0\0")]
    public void ADamagedFileCountsAsNone(string content)
    {
        File.WriteAllText(_path, content.Replace("KEY", AutoAttention.Key(_model.Config, Kv), StringComparison.Ordinal));
        Assert.Equal(Dense, Choose(512));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ADamagedFileIsWrittenAnew()
    {
        File.WriteAllText(_path, "{\"guarded\": 3");
        Choose(4096);
        Assert.Equal(AutoAttention.Key(_model.Config, Kv), Assert.Single(Lengths(_path)).Key);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhereNothingCanBeKeptItIsChosenAllTheSame()
    {
        var file = _folder.Write("file", "mine");
        Assert.Contains(Choose(4096, Path.Combine(file, "auto.json")).SparseFrom, (int?[])[null, 2048, 4096]);
        Directory.CreateDirectory(_path);
        Assert.Contains(Choose(4096, _path).SparseFrom, (int?[])[null, 2048, 4096]);
        Assert.Equal("mine", File.ReadAllText(file));
        Assert.Equal([file], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void EverythingIsReadBelowTheLengthAndLessFromThereOn()
    {
        Keep(4000);
        var choice = Choose(8192);
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, Kv = Kv, ContextTokens = 8192, KvMemoryBytes = 64 << 20, Attention = choice.Attention.Create() });
        Assert.Equal("guarded:min-context=4000", engine.Policy.Name);
        int[] text = [.. Enumerable.Range(0, 4010).Select(static i => 3 + (int)((long)i * i * 7 % 500))];
        // The first token comes from the prompt, and the last one has 3,999 in sight.
        Assert.Equal(1, Share(engine, text[..3990], 10));
        Assert.InRange(Share(engine, text, 10), 0.01, 0.99);
    }

    private static AutoChoice Dense => new(PolicyCatalog.Dense.Spec, null);

    private static AutoChoice From(int tokens) => new(PolicyCatalog.Spec($"guarded:min-context={tokens}"), tokens);

    private static double Share(Engine engine, int[] prompt, int tokens) =>
        Generation.Run(engine, prompt, Generation.Greedy(tokens)).Sequence.ReadsByLayer().Aggregate(default(LayerReads), static (sum, layer) => sum + layer).KeysReadShare;

    private static Dictionary<string, int> Lengths(string path) => JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(path))!;

    private void Keep(int tokens) => File.WriteAllText(_path, JsonSerializer.Serialize(new Dictionary<string, int> { [AutoAttention.Key(_model.Config, Kv)] = tokens }));

    private AutoChoice Choose(int contextTokens, string? path = null) => AutoAttention.Choose(_model.Config, Kv, contextTokens, path ?? _path);
}
