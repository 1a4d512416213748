using Kvasir.Attention;
using Kvasir.Kernels.Attention;
using Kvasir.Measurement;
using Kvasir.Models;

namespace Kvasir.Test.Attention;

/// <summary>What a sparse policy reads whole is divided between workers as dense attention is, and nobody chooses.</summary>
public sealed class DividedLayersTest(DividedLayersTest.Reference reference) : IClassFixture<DividedLayersTest.Reference>
{
    private const int Depth = 2500;
    private static readonly EngineOptions Options = new() { Threads = 3, Kv = KvType.F32, KvMemoryBytes = 16 << 20, ContextTokens = Depth + 40 };

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
        // One worker's sum is rounded otherwise: these came out of parts.
        var whole = Decode(new Undivided(PolicyCatalog.Parse(policy)));
        Assert.NotEqual(whole.Logits, logits);
        Assert.True(whole.Step.SelectionMs > 0);
        var scale = logits.Max(Math.Abs);
        for (var i = 0; i < logits.Length; i++)
            Assert.InRange(whole.Logits[i] - logits[i], -1e-4 * scale, 1e-4 * scale);
    }

    [Fact]
    public void WhoeverIsToldWeightsReadsAHeadAsAWhole()
    {
        var (logits, step) = Decode(PolicyCatalog.Parse("h2o"));
        Assert.Equal(Decode(new Undivided(PolicyCatalog.Parse("dense"))).Logits, logits);
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

    private (float[] Logits, StepTimings Step) Decode(AttentionPolicy policy) => Decode(reference.Model, policy);

    private static (float[] Logits, StepTimings Step) Decode(Model model, AttentionPolicy policy)
    {
        using var engine = new Engine(model, Options);
        using var probe = new EngineProbe(engine, policy, Depth + 40, seed: 5);
        probe.FillRandom(Depth);
        var step = probe.Decode(1, 3);
        return (probe.Logits.ToArray(), step);
    }

    /// <summary>The model, and what dense attention makes of it.</summary>
    public sealed class Reference : IDisposable
    {
        public Reference() => Logits = Decode(Model, PolicyCatalog.Parse("dense")).Logits;

        // Activations are not quantised, which would swallow the last bits.
        public Model Model { get; } = Model.Synthetic("tiny", SyntheticWeights.BF16, options: new ModelOptions { Repack = false });

        public float[] Logits { get; }

        public void Dispose() => Model.Dispose();
    }

    /// <summary>Another policy, whose selectors are always asked.</summary>
    private sealed class Undivided(AttentionPolicy policy) : AttentionPolicy(policy.Spec)
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
            public override bool Select(in HeadQuery query, int round, in SoftmaxSum sum, KvSelection selection) => throw new NotSupportedException();
        }
    }
}
