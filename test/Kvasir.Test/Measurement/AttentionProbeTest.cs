using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Measurement;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;
using Kvasir.Test.Attention;

namespace Kvasir.Test.Measurement;

public sealed class AttentionProbeTest : IDisposable
{
    private const int PromptCount = 150;
    private const int QueryCount = 12;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20 };
    private readonly Model _model = Generation.LoadStories();

    public static TheoryData<string> Policies =>
    [
        "dense",
        "topk:share=0.1,sinks=2,recent=4,min-context=0",
        "streaming:sinks=2,recent=9,dense-layers=1,min-context=0",
        "magicpig:bits=4,tables=12,sinks=3,recent=5,dense-layers=none,min-context=0",
        "h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0",
    ];

    public void Dispose() => _model.Dispose();

    [Theory]
    [MemberData(nameof(Policies))]
    public void FiguresAreThoseOfDoublePrecision(string policy)
    {
        var recorded = new RecordedAttention(PolicyCatalog.Parse(policy));
        var study = Study(Exact, Prompt(), recorded).Policies[0];
        var heads = recorded.Figures.GroupBy(static f => (f.Layer, Head: (2 * f.KvHead) + f.Head)).ToArray();
        // Layers that are read densely have no selector of the policy's own, but this one's.
        Assert.Equal(5 * 8, heads.Length);
        foreach (var head in heads)
        {
            var (layer, at) = head.Key;
            Assert.Equal(Enumerable.Range(PromptCount - QueryCount, QueryCount), head.Select(static f => f.Position).Order().Skip(head.Count() - QueryCount));
            var queries = head.Where(static f => f.Position >= PromptCount - QueryCount).ToArray();
            Assert.Equal(queries.Average(static f => f.Error), study.Error.Layer(layer)[at], 1e-4);
            Assert.Equal(queries.Average(static f => f.Mass), study.MassKept.Layer(layer)[at], 1e-4);
            Assert.Equal(queries.Average(static f => (double)f.RowsUsed / f.RowsInSight), study.KeysUsed.Layer(layer)[at], 1e-9);
            Assert.Equal(queries.Average(static f => (double)f.RowsRead / f.RowsInSight), study.KeysRead.Layer(layer)[at / 2], 1e-9);
        }
    }

    // A score that belongs to no row takes its part of every sum, of the sparse and of the dense one.
    [Theory]
    [InlineData("topk:share=0.1,sinks=2,recent=4,min-context=0")]
    [InlineData("magicpig:bits=4,tables=12,sinks=3,recent=5,dense-layers=none,min-context=0")]
    [InlineData("h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0")]
    [InlineData("psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0")]
    public void FiguresOfAModelWithSinksAreThoseOfDoublePrecision(string policy)
    {
        using var model = WithSinks();
        using var engine = new Engine(model, Exact);
        int[] prompt = [.. Enumerable.Range(0, PromptCount).Select(static i => i * 57 % 251)];
        var recorded = new RecordedAttention(PolicyCatalog.Parse(policy)) { Sinks = (layer, head) => model.Weights.Layers[layer].Sinks![head] };
        var study = new AttentionProbe(engine, [recorded], QueryCount).Run(prompt).Policies[0];
        var heads = recorded.Figures.Where(static f => f.Position >= PromptCount - QueryCount).GroupBy(static f => (f.Layer, Head: (2 * f.KvHead) + f.Head)).ToArray();
        Assert.Equal(3 * 8, heads.Length);
        Assert.All(heads, head =>
        {
            var (layer, at) = head.Key;
            Assert.Equal(QueryCount, head.Count());
            Assert.Equal(head.Average(static f => f.Error), study.Error.Layer(layer)[at], 1e-4);
            Assert.Equal(head.Average(static f => f.Mass), study.MassKept.Layer(layer)[at], 1e-4);
        });
        Assert.True(heads.Max(static head => head.Average(static f => f.Error)) > 0.01, "nothing was left out that counts");
        var others = new RecordedAttention(PolicyCatalog.Parse(policy));
        new AttentionProbe(engine, [others], QueryCount).Run(prompt);
        Assert.True(recorded.Figures.Zip(others.Figures, static (with, without) => Math.Abs(with.Error - without.Error)).Max() > 1e-3, "sinks make no difference here");
    }

    private static Model WithSinks()
    {
        var tiny = SyntheticShape.Parse("tiny");
        var model = Model.Synthetic(
            new SyntheticShape(
                tiny.Config with
                {
                    Width = 64,
                    FeedForwardWidth = 96,
                    HeadCount = 8,
                    KvHeadCount = 4,
                    HeadDim = 8,
                    VocabularySize = 256,
                    Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 8, Base = 10000 },
                    Layers = LayerShapes.By(3, static _ => new LayerShape { HasSinks = true }),
                },
                3),
            SyntheticWeights.BF16);
        // From a third of what all rows weigh to three times as much.
        foreach (var sinks in model.Weights.Layers.Select(static layer => layer.Sinks!))
        {
            for (var head = 0; head < sinks.Length; head++)
                sinks[head] = 4 + (head * 0.3f);
        }

        return model;
    }

    [Theory]
    [InlineData("streaming:sinks=2,recent=9,min-context=0")]
    [InlineData("h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0")]
    public void TheFirstLayerIsThatOfDecoding(string policy)
    {
        // What a first layer attends follows from the tokens alone, whatever else a sparse answer does.
        var decoded = new RecordedAttention(PolicyCatalog.Parse(policy));
        var answer = Generation.Run(_model, Exact, Prompt(), Generation.Greedy(QueryCount + 1) with { Attention = decoded });
        var studied = new RecordedAttention(PolicyCatalog.Parse(policy));
        Study(Exact, [.. Prompt(), .. answer.Tokens[..QueryCount]], studied);
        var (expected, actual) = (FirstLayer(decoded), FirstLayer(studied));
        Assert.Equal(QueryCount * 8, expected.Length);
        Assert.Equal(expected.Length, actual.Length);
        foreach (var (wanted, got) in expected.Zip(actual))
        {
            Assert.Equal((wanted.Position, wanted.Head, wanted.RowsUsed, wanted.RowsRead), (got.Position, got.Head, got.RowsUsed, got.RowsRead));
            Assert.Equal(wanted.Error, got.Error, 1e-4);
            Assert.Equal(wanted.Mass, got.Mass, 1e-4);
        }

        static RecordedAttention.HeadFigure[] FirstLayer(RecordedAttention recorded) =>
            [.. recorded.Figures.Where(static f => f.Layer == 0 && f.Position >= PromptCount).OrderBy(static f => (f.Position, f.KvHead, f.Head))];
    }

    [Theory]
    [InlineData(64, 1)]
    [InlineData(150, 2)]
    [InlineData(149, 2)]
    [InlineData(512, 2)]
    public void ChunksAndThreadsChangeNothing(int batchTokens, int threads)
    {
        var policy = PolicyCatalog.Parse("topk:share=0.1,sinks=2,recent=4,min-context=0");
        var (whole, parts) = (Study(Exact, Prompt(), policy), Study(Exact with { BatchTokens = batchTokens, Threads = threads }, Prompt(), policy));
        for (var layer = 0; layer < 5; layer++)
        {
            Assert.Equal(whole.Policies[0].Error.LayerMean(layer), parts.Policies[0].Error.LayerMean(layer), 1e-3);
            Assert.Equal(whole.Policies[0].MassKept.LayerMean(layer), parts.Policies[0].MassKept.LayerMean(layer), 1e-3);
            foreach (var (x, y) in whole.Curves.Layer(layer).Zip(parts.Curves.Layer(layer)))
                Assert.Equal(x, y, 1e-3);
        }
    }

    [Fact]
    public void CurvesRiseToOneAndAreTheBestThatAChoiceCanKeep()
    {
        // With one query, a head's best tenth of keys is what exact top-k of that share keeps.
        using var engine = new Engine(_model, Exact);
        var study = new AttentionProbe(engine, [PolicyCatalog.Parse("topk:share=0.1,sinks=0,recent=1,min-context=0")], 1).Run(Prompt());
        var shares = study.Curves.Shares.ToArray();
        Assert.Equal(1.0 / PromptCount, shares[0], 1e-9);
        Assert.Equal(1, shares[^1], 1e-9);
        for (var layer = 0; layer < 5; layer++)
        {
            var curve = study.Curves.Layer(layer);
            Assert.Equal(curve.Order(), curve);
            Assert.Equal(1, curve[^1], 1e-6);
            var used = study.Policies[0].KeysUsed.LayerMean(layer);
            var next = Array.FindIndex(shares, share => share >= used);
            Assert.InRange(study.Policies[0].MassKept.LayerMean(layer), 0, curve[next] + 1e-6);
            Assert.InRange(study.Policies[0].MassKept.LayerMean(layer), curve[Array.FindIndex(shares, static share => share >= 0.08)] - 0.05, 1);
        }
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        AssertRefused(KvasirError.BadOption, "12 tokens is too short for 12 queries", Exact, Prompt()[..12]);
        AssertRefused(KvasirError.ContextExceeded, "150 tokens is longer than the context of 100", Exact with { ContextTokens = 100 }, Prompt());
        AssertRefused(KvasirError.BadOption, "token 512", Exact, [.. Prompt(), 512]);
        AssertRefused(KvasirError.KvMemoryExceeded, "150 tokens", Exact with { KvMemoryBytes = 200_000 }, Prompt());
        AssertRefused(KvasirError.BadOption, "observes", Exact with { BatchTokens = 70 }, Prompt(), "h2o");
        AssertRefused(KvasirError.BadOption, "names layer 9", Exact, Prompt(), "streaming:dense-layers=9");
    }

    [Fact]
    public void AStudyThatWasCancelledLeavesTheEngineAsItWas()
    {
        using var engine = new Engine(_model, Exact);
        var probe = new AttentionProbe(engine, [PolicyCatalog.Parse("streaming")], QueryCount);
        Assert.Throws<OperationCanceledException>(() => probe.Run(Prompt(), new CancellationToken(canceled: true)));
        Assert.Equal(0, engine.KvBytesInUse);
        Assert.Equal(QueryCount, probe.Run(Prompt()).QueryCount);
        Assert.Equal((PromptCount, 5), (probe.DoneTokens, probe.DoneLayers));
        Assert.Equal(0, engine.KvBytesInUse);
        engine.Verify();
    }

    private void AssertRefused(KvasirError error, string part, EngineOptions options, int[] prompt, string policy = "dense")
    {
        var refusal = Assert.Throws<KvasirException>(() => Study(options, prompt, PolicyCatalog.Parse(policy)));
        Assert.Equal(error, refusal.Error);
        Assert.Contains(part, refusal.Message, StringComparison.Ordinal);
    }

    private AttentionStudy Study(EngineOptions options, int[] prompt, AttentionPolicy policy)
    {
        using var engine = new Engine(_model, options);
        return new AttentionProbe(engine, [policy], QueryCount).Run(prompt);
    }

    private int[] Prompt() =>
        _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..PromptCount];
}
