using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;
using Kvasir.Files;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Synthetic;

namespace Kvasir.Test.Attention.Batches;

/// <summary>What a sparse policy reads whole is divided between workers as dense attention is, and nobody chooses.</summary>
public sealed class DividedLayersTest(DividedLayersTest.Reference reference) : IClassFixture<DividedLayersTest.Reference>
{
    private const int Depth = 2500;
    private static readonly EngineOptions Options = new() { Kv = KvFormat.F32, KvMemoryBytes = 16 << 20, ContextTokens = Depth + 40 };

    [Theory]
    [InlineData("streaming:min-context=0,dense-layers=0+1")]
    [InlineData("h2o:min-context=0,dense-layers=0+1")]
    [InlineData("streaming")]
    [InlineData("psa")]
    [InlineData("guarded")]
    [InlineData("quest:recent=2600,min-context=0")]
    public void WhatIsReadWholeIsDividedAsDenseAttentionIs(string policy)
    {
        var (logits, step) = Decode(PolicyCatalog.Parse(policy));
        Assert.Equal(reference.Logits, logits);
        Assert.Equal((0, 1), (step.SelectionMs, step.KeysReadShare));
        // Who is asked is slower and reads the same.
        var asked = Decode(new AlwaysAsked(PolicyCatalog.Parse(policy)));
        Assert.Equal(asked.Logits, logits);
        Assert.Equal(PolicyCatalog.Parse(policy) is SparsePolicy { Zones.DenseLayers.Count: < 2 }, asked.Step.SelectionMs > 0);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("dense")]
    [InlineData("streaming:recent=2100,sinks=64,min-context=0")]
    [InlineData("topk:share=0.9,min-context=0")]
    [InlineData("quest:share=0.9,page=16,min-context=0")]
    [InlineData("psa:block=24,coverage=0.999,group=50,min-context=0")]
    [InlineData("psa:block=24,coverage=0.999,unit=layer,min-context=0")]
    [InlineData("magicpig:bits=2,tables=60,min-context=0")]
    [InlineData("guarded:epsilon=1e-9,min-context=0")]
    [InlineData("h2o:heavy=0.5,newest=0.45,min-context=0")]
    public void ThreadsChangeNothing(string policy)
    {
        var (logits, step) = Decode(PolicyCatalog.Parse(policy), threads: 1);
        Assert.True(step.KeysReadShare * Depth >= 2048, $"{step.KeysReadShare} of {Depth} rows are too few to be divided");
        foreach (var threads in (int[])[2, 3, 16])
            Assert.Equal(logits, Decode(PolicyCatalog.Parse(policy), threads).Logits);
    }

    [Fact]
    public void WhoeverIsToldWeightsReadsTheSame()
    {
        var (logits, step) = Decode(PolicyCatalog.Parse("h2o"));
        Assert.Equal(reference.Logits, logits);
        Assert.True(step.SelectionMs > 0);
    }

    [Fact]
    public void OnlyDenseLayersAreDivided()
    {
        var policy = new SelectNothing();
        Assert.Throws<NotSupportedException>(() => Decode(policy));
        policy.DividedLayers = 2;
        Assert.Equal(reference.Logits, Decode(policy).Logits);
        policy.DividedLayers = 1;
        Assert.Throws<NotSupportedException>(() => Decode(policy));
    }

    [Theory]
    [InlineData(0, 99, true)]
    [InlineData(0, 100, false)]
    [InlineData(50, 149, true)]
    [InlineData(50, 150, false)]
    public void TheLeastContextCountsRowsInSight(int first, int end, bool readsEveryRow)
    {
        Assert.Equal(readsEveryRow, PolicyCatalog.Parse("psa:min-context=100,dense-layers=2,sinks=0,recent=1").ReadsEveryRow(1, (first, end)));
        Assert.True(PolicyCatalog.Parse("psa:min-context=100,dense-layers=2,sinks=0,recent=1").ReadsEveryRow(2, (first, end)));
        Assert.False(PolicyCatalog.Parse("h2o:min-context=100,dense-layers=2").ReadsEveryRow(1, (first, end)));
        Assert.True(PolicyCatalog.Parse("h2o:min-context=100,dense-layers=2").ReadsEveryRow(2, (first, end)));
    }

    private (float[] Logits, StepTimings Step) Decode(AttentionPolicy policy, int threads = 3) => Decode(reference.Model, policy, threads);

    private static (float[] Logits, StepTimings Step) Decode(Model model, AttentionPolicy policy, int threads)
    {
        using var engine = new Engine(model, Options with { Threads = threads });
        using var probe = new EngineProbe(engine, policy, Depth + 40, seed: 5);
        probe.FillRandom(Depth);
        var step = probe.Decode(1, 3);
        return (probe.Logits.ToArray(), step);
    }

    /// <summary>The model, and what dense attention makes of it.</summary>
    public sealed class Reference : IDisposable
    {
        public Reference() => Logits = Decode(Model, PolicyCatalog.Parse("dense"), 3).Logits;

        // Activations are not quantised, which would swallow the last bits.
        public Model Model { get; } = Model.Synthetic("tiny", SyntheticWeights.BF16, options: new ModelOptions { Repack = false });

        public float[] Logits { get; }

        public void Dispose() => Model.Dispose();
    }

    /// <summary>Another policy, whose selectors are always asked.</summary>
    private sealed class AlwaysAsked(AttentionPolicy policy) : AttentionPolicy(policy.Spec)
    {
        public override bool ObservesDecode => policy.ObservesDecode;

        public override Selector CreateSelector(HeadPlace place) => policy.CreateSelector(place);
    }

    /// <summary>All rows of the first layers; whoever is asked of the others throws.</summary>
    private sealed class SelectNothing() : AttentionPolicy(PolicyCatalog.Dense.Spec)
    {
        public int DividedLayers { get; set; }

        public override bool ReadsEveryRow(int layer, (int First, int End) visible) => layer < DividedLayers;

        public override Selector CreateSelector(HeadPlace place) => new Refusing();

        private sealed class Refusing : Selector
        {
            public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection) => throw new NotSupportedException();
        }
    }
}
