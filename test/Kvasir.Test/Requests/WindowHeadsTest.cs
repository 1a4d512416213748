using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;
using Kvasir.Tiers;

namespace Kvasir.Test.Requests;

/// <summary>An engine over layers whose heads with a window have other sizes than the rest and lie several in a page: what <see cref="WindowMemoryTest"/> says.</summary>
public sealed class WindowHeadsTest : IDisposable
{
    private const int Window = WindowedModel.Window;
    private const int BatchTokens = 64;
    private static readonly EngineOptions Options =
        new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, BatchTokens = BatchTokens, ContextTokens = 8192 };

    // Two layers with 4 heads of 64 see all; ten have 8 heads of 32, two to a page.
    private readonly Model _model = WindowedModel.Make(heads: new HeadSizes(8, 32));

    public void Dispose() => _model.Dispose();

    [Fact]
    public void ALongTextKeepsFullLayersAndWindowsAlone()
    {
        using var engine = new Engine(_model, Options);
        var sequence = new Sequence(WindowedModel.Text(4000), Generation.Greedy(40));
        engine.Submit(sequence);
        while (engine.Step() && sequence.GeneratedCount < 20)
        {
        }

        const double RowBytes = 2 * 64 * sizeof(float);
        Assert.Equal(2 * 4 * RowBytes, engine.Plan.KvBytesPerToken);
        // Eight heads of 32 take what four of 64 do.
        var needed = RowBytes * ((2 * 4 * (double)sequence.CachedCount) + (10 * 4 * Window));
        Assert.InRange(engine.KvBytesInUse, needed, (1.05 * needed) + (10 * 4 * 32 * RowBytes));
        Assert.InRange(engine.Plan.WindowBytes, 40 * RowBytes * (Window + BatchTokens), 40 * RowBytes * (Window + BatchTokens + 61));
        while (engine.Step())
        {
        }

        Assert.Null(sequence.Failure);
        Assert.Equal(0, engine.KvBytesInUse);
        engine.Verify();
    }

    [Fact]
    public void AFoundBeginningIsComputedOnAsACold()
    {
        using var warm = new Engine(_model, Options with { PrefixCache = true });
        using var cold = new Engine(_model, Options);
        var (options, text) = (Generation.Greedy(10), WindowedModel.Text(700));
        Generation.Run(warm, text, options);
        foreach (var fork in (int[])[640, 577, 104, 40, 31])
        {
            int[] prompt = [.. text[..fork], .. WindowedModel.Text(90, step: fork)];
            var (expected, actual) = (Generation.Run(cold, prompt, options), Generation.Run(warm, prompt, options));
            actual.AssertEquals(expected, 2e-4, $"fork at {fork}");
            Assert.Equal(fork / 32 * 32, actual.Sequence.CachedTokens);
        }

        warm.Verify();
    }

    [Fact]
    public void WhatIsSavedIsComputedOn()
    {
        using var folder = new TempFolder();
        var (file, text) = (folder.File("rows.kv"), WindowedModel.Text(500));
        using var first = new Engine(_model, Options with { PrefixCache = true });
        var tokens = Generation.Run(first, text, Generation.Greedy(20)).Sequence.Tokens.ToArray();
        Assert.Equal(512, first.SaveKv(file, tokens).Tokens);
        using var second = new Engine(_model, Options with { PrefixCache = true });
        Assert.Equal(512, second.LoadKv(file).Tokens);
        int[] prompt = [.. tokens[..512], .. WindowedModel.Text(60, step: 7)];
        using var cold = new Engine(_model, Options);
        var answer = Generation.Run(second, prompt, Generation.Greedy(10));
        answer.AssertEquals(Generation.Run(cold, prompt, Generation.Greedy(10)), 2e-4, "loaded");
        Assert.Equal(512, answer.Sequence.CachedTokens);
    }

    [Theory]
    [InlineData("quest:page=8,recent=8,share=0.1,dense-layers=none,min-context=0")]
    [InlineData("snapkv:min-context=0")]
    [InlineData("psa:block=4,unit=layer,sinks=4,recent=4,coverage=0.5,dense-layers=none,min-context=0")]
    [InlineData("h2o:heavy=0.1,newest=0.1,min-context=0")]
    public void PoliciesChooseInLayersThatSeeAllAndInNoOthers(string policy)
    {
        using var engine = new Engine(_model, Options);
        var answer = Generation.Run(engine, WindowedModel.Text(400), Generation.Greedy(40) with { Attention = PolicyCatalog.Parse(policy) }).Sequence;
        Assert.Null(answer.Failure);
        var layers = answer.ReadsByLayer();
        WindowedModel.AssertWindowsAreReadWhole(_model, layers, rows: 39L * 8 * Window);
        Assert.True(layers[5].KeysReadShare < 0.9 && layers[11].KeysReadShare < 0.9, $"{layers[5]}, {layers[11]}");
        Assert.Equal(layers[5].RowsRead + layers[11].RowsRead, answer.Reads().RowsRead);
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void GuessesAndPreemptionChangeNoToken()
    {
        using var roomy = new Engine(_model, Options);
        var prompts = Enumerable.Range(0, 2).Select(i => WindowedModel.Text(300, step: 11 + i)).ToArray();
        var expected = prompts.Select(prompt => Generation.Run(roomy, prompt, Generation.Greedy(800))).ToArray();
        using var tight = new Engine(_model, Options with { KvMemoryBytes = 21500L * 2 * 64 * sizeof(float) });
        var answers = Generation.RunAll(tight, prompts.Select(static prompt => (prompt, Generation.Greedy(800) with { SpeculativeTokens = 4 })));
        for (var i = 0; i < prompts.Length; i++)
            answers[i].AssertEquals(expected[i], 2e-4, $"answer {i}");
        Assert.True(tight.Figures.Preemptions > 0);
        Assert.Equal(0, tight.KvBytesInUse);
    }

    [Fact]
    public void RowsOnFileAndValuesOfFewerElementsAreRefused()
    {
        var refusal = Assert.Throws<KvasirException>(() => new Engine(_model, Options with { KvStore = static bytes => new MemoryStore(bytes, 600) }));
        Assert.Equal("keys and values on file are not supported of a model whose layers with a window have heads of other sizes", refusal.Message);
        refusal = Assert.Throws<KvasirException>(() => WindowedModel.Make(options: new ModelOptions { KvRank = 2 }, heads: new HeadSizes(8, 32)));
        Assert.Equal("values of rank 2 are not supported: llama norms its values", refusal.Message);
    }
}
