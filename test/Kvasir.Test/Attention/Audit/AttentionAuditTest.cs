using System.Diagnostics.Metrics;
using Kvasir.Attention;
using Kvasir.Attention.Audit;
using Kvasir.Attention.Dropping;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Audit;

/// <summary>What an audit says is what is the case, and that it says so changes nothing.</summary>
public sealed class AttentionAuditTest : IDisposable
{
    private const int PromptCount = 150;
    private const int AnswerCount = 40;
    private const int LayerCount = 5;
    private const int KvHeadCount = 4;
    private const int GroupHeads = 2;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20, ContextTokens = PromptCount + AnswerCount };
    private readonly Model _model = Generation.LoadStories();

    public static TheoryData<string> Policies =>
    [
        "topk:share=0.1,sinks=2,recent=4,min-context=0",
        "streaming:sinks=2,recent=9,min-context=0",
        "quest:share=0.2,page=4,sinks=2,recent=4,dense-layers=1,min-context=0",
        "oracle:share=0.1,sinks=2,recent=4,min-context=0",
        "magicpig:bits=4,tables=12,sinks=3,recent=5,dense-layers=none,min-context=0",
        "h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0",
        "psa:block=4,group=2,coverage=0.6,sinks=3,recent=5,min-context=0",
        "psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0",
    ];

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Policies))]
    public void FiguresAreThoseOfDoublePrecision(string policy)
    {
        var recorded = new RecordedAttention(PolicyCatalog.Parse(policy));
        var audit = Answer(recorded, share: 1).Sequence.AuditFigures!;
        // Where nothing was left out there was nothing to audit.
        var expected = recorded.Figures.GroupBy(static f => (f.Layer, f.KvHead, f.Position)).Where(static group => group.First().RowsRead < group.First().RowsInSight || group.Any(static f => f.Error > 1e-6)).ToArray();
        var heads = expected.SelectMany(static group => group).ToArray();
        Assert.Equal(expected.Length, audit.HeadCount);
        Assert.NotEmpty(heads);
        AssertNear(heads.Average(static f => f.Error), audit.MeanError, 1e-4);
        AssertNear(heads.Average(static f => f.Mass), audit.MassKept, 1e-4);
        AssertNear((double)expected.Sum(static group => group.First().RowsRead) / expected.Sum(static group => group.First().RowsInSight), audit.KeysReadShare, 1e-9);
        AssertNear((double)heads.Sum(static f => f.RowsUsed) / heads.Sum(static f => f.RowsInSight), audit.KeysUsedShare, 1e-9);
        var sorted = heads.Select(static f => f.Error).Order().ToArray();
        AssertNear(sorted[(int)Math.Ceiling(0.5 * sorted.Length) - 1], audit.P50Error, 0.026);
        AssertNear(sorted[(int)Math.Ceiling(0.99 * sorted.Length) - 1], audit.P99Error, 0.026);
        Assert.Equal(sorted[^1], audit.MaxError, 1e-4 * sorted[^1]);
        var masses = heads.Select(static f => f.Mass).Order().ToArray();
        Assert.InRange(masses[(int)Math.Ceiling(0.05 * masses.Length) - 1] - audit.P05MassKept, -1e-4, 0.0011);
        var layers = heads.GroupBy(static f => f.Layer).Select(static layer => (layer.Key, Error: layer.Average(static f => f.Error))).ToArray();
        Assert.Equal(layers.MaxBy(static layer => layer.Error).Key, audit.WorstLayer);
        AssertNear(layers.Max(static layer => layer.Error), audit.WorstLayerError, 1e-4);
        Assert.True(audit.ComputeMs > 0);

        void AssertNear(double wanted, double actual, double tolerance) =>
            Assert.True(Math.Abs(wanted - actual) <= tolerance * wanted, $"{policy}: {actual} instead of {wanted}");
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Policies))]
    public void AnAuditChangesNoToken(string policy)
    {
        foreach (var kv in new[] { KvFormat.F32, KvFormat.BF16, KvFormat.Q8 })
        {
            var options = Exact with { Kv = kv };
            var (audited, plain) = (Answer(PolicyCatalog.Parse(policy), 1, options), Answer(PolicyCatalog.Parse(policy), 0, options));
            Assert.Equal(plain.Tokens, audited.Tokens);
            Assert.Equal(plain.Logprobs, audited.Logprobs);
            Assert.NotNull(audited.Sequence.AuditFigures);
            Assert.Null(plain.Sequence.AuditFigures);
        }
    }

    [Theory]
    [InlineData("dense")]
    [InlineData("streaming")]
    [InlineData("streaming:recent=9,min-context=0,dense-layers=0+1+2+3+4")]
    [InlineData("topk:share=1,min-context=0")]
    public void WhatIsReadWholeIsNotAudited(string policy)
    {
        var audit = Answer(PolicyCatalog.Parse(policy), share: 1).Sequence.AuditFigures!;
        Assert.Equal(
            new AuditFigures
            {
                Share = 1,
                HeadCount = 0,
                MeanError = 0,
                P50Error = 0,
                P99Error = 0,
                MaxError = 0,
                WorstLayer = null,
                WorstLayerError = 0,
                MassKept = 1,
                P05MassKept = 1,
                KeysReadShare = 1,
                KeysUsedShare = 1,
                ComputeMs = 0,
            },
            audit with { ComputeMs = 0 });
    }

    [Fact]
    public void DenseLayersAreNotAudited()
    {
        var audit = Answer(PolicyCatalog.Parse("streaming:recent=9,min-context=0,dense-layers=0+3"), share: 1).Sequence.AuditFigures!;
        // The first token comes out of the prompt, which is dense.
        Assert.Equal((LayerCount - 2) * KvHeadCount * (AnswerCount - 1), audit.HeadCount);
    }

    [Theory]
    [InlineData(0.02)]
    [InlineData(0.3)]
    public void TheShareIsWhatIsDrawn(double share)
    {
        var all = LayerCount * KvHeadCount * (AnswerCount - 1);
        var counts = Enumerable.Range(0, 10).Select(seed => (double)Answer(Windowed, share, Exact, (ulong)seed).Sequence.AuditFigures!.HeadCount).ToArray();
        // Five standard deviations of as many draws.
        Assert.InRange(counts.Average(), (all * share) - (5 * Math.Sqrt(all * share / counts.Length)), (all * share) + (5 * Math.Sqrt(all * share / counts.Length)));
        Assert.True(counts.Distinct().Count() > 1, "seeds draw the same heads");
    }

    [Fact]
    public void NeitherThreadsNorNeighboursChangeTheFigures()
    {
        var alone = Figures(Answer(Windowed, 0.2));
        Assert.Equal(alone, Figures(Answer(Windowed, 0.2)));
        Assert.Equal(alone, Figures(Answer(Windowed, 0.2, Exact with { Threads = 2 })));
        using var engine = new Engine(_model, Exact with { AuditShare = 0.2 });
        var other = Options(PolicyCatalog.Parse("topk:share=0.1,min-context=0"), 0.5);
        var together = Generation.RunAll(engine, [(Prompt(), other), (Prompt(), Options(Windowed, null)), (Prompt(), Options(Windowed, 0))]);
        Assert.Equal(alone.HeadCount, together[1].Sequence.AuditFigures!.HeadCount);
        Assert.Equal(alone.MeanError, together[1].Sequence.AuditFigures!.MeanError, 1e-3);
        Assert.NotEqual(alone.HeadCount, together[0].Sequence.AuditFigures!.HeadCount);
        Assert.Null(together[2].Sequence.AuditFigures);
    }

    [Fact]
    public void AuditedStepsAllocateNothing()
    {
        using var engine = new Engine(_model, Exact with { ContextTokens = 512 });
        engine.Submit(new Sequence(Prompt(), Options(Windowed, 0.3) with { MaxTokens = 190, TopLogprobs = null }));
        for (var step = 0; step < 10; step++)
            engine.Step();
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 80));
        Assert.True(engine.LastStep.AuditMs > 0);
    }

    [Fact]
    public void MetricsHaveEveryAuditedQueryHead()
    {
        var measured = new Dictionary<string, List<double>>();
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == AttentionMeter.Name)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        // Other tests' engines are heard as well: a name that none of them has.
        var policy = new Streaming(new PolicySpec(Streaming.Entry with { Name = "heard" }).With("sinks", "2").With("recent", "11").With("min-context", "0"));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            if (tags.Length != 1 || tags[0].Key != "policy" || !Equals(tags[0].Value, "heard"))
                return;
            lock (measured)
                (measured.TryGetValue(instrument.Name, out var values) ? values : measured[instrument.Name] = []).Add(value);
        });
        listener.Start();
        var audit = Answer(policy, 0.3).Sequence.AuditFigures!;
        Assert.Equal(["kvasir.attention.audit.error", "kvasir.attention.mass.recall", "kvasir.attention.selected.fraction"], measured.Keys.Order());
        Assert.All(measured.Values, values => Assert.Equal(audit.HeadCount * GroupHeads, values.Count));
        Assert.Equal(audit.MeanError, measured[AttentionMeter.ErrorName].Average(), 1e-9);
        Assert.Equal(audit.MassKept, measured[AttentionMeter.MassName].Average(), 1e-9);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void SharesOutOfRangeAreRefused(double share)
    {
        Assert.Contains("audit share", Assert.Throws<KvasirException>(() => new Engine(_model, Exact with { AuditShare = share })).Message, StringComparison.Ordinal);
        Assert.Contains("audit share", Assert.Throws<KvasirException>(() => Answer(Windowed, share)).Message, StringComparison.Ordinal);
    }

    private static AttentionPolicy Windowed => PolicyCatalog.Parse("streaming:sinks=2,recent=9,min-context=0");

    private static AuditFigures Figures(Generation answer) => answer.Sequence.AuditFigures! with { ComputeMs = 0 };

    private static GenerationOptions Options(AttentionPolicy policy, double? share, ulong seed = 1) => Generation.Greedy(AnswerCount) with
    {
        Attention = policy,
        AuditShare = share,
        Sampling = SamplingOptions.Greedy with { Seed = seed },
    };

    private Generation Answer(AttentionPolicy policy, double share, EngineOptions? options = null, ulong seed = 1) =>
        Generation.Run(_model, options ?? Exact, Prompt(), Options(policy, share, seed));

    private int[] Prompt() =>
        _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..PromptCount];
}
