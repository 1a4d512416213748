using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Planning;
using Kvasir.Synthetic;

namespace Kvasir.Test.Planning;

/// <summary>Times against arithmetic by hand: two layers of four query heads in two KV heads of 64, rows of 256 bytes of keys and values.</summary>
public sealed class CostModelTest
{
    private static readonly ModelSizes Tiny = ModelSizes.Of(SyntheticShape.Parse("tiny"), SyntheticWeights.Q8_0);

    [Fact]
    public void AStepOfABareMachineIsItsBytesByTheBandwidth()
    {
        var cost = new CostModel(Tiny, PlannedMachine.Bare, KvFormat.BF16);
        // Q8_0 has 34 bytes for 32 elements. 256 x (256 + 128 + 128 + 256) of attention and 3 x 512 of the rest; 1024 rows of logits.
        const double Linear = ((2 * 256.0 * (768 + (3 * 512))) + (1024 * 256)) * 34 / 32;
        var step = cost.Step(PolicyCatalog.Dense, 1000, 3, null, HitCurve.OfTexts);
        Assert.Equal(Linear / PlannedMachine.Bandwidth, step.LinearSeconds, 1e-12);
        Assert.Equal(3 * 4 * 1000 * 256 / PlannedMachine.Bandwidth, step.AttentionSeconds, 1e-12);
        Assert.Equal(3 * 4 * 32, step.PagesUsed);
        Assert.Equal((0, 0, 1), (step.ReadSeconds, step.PagesRead, step.HitShare));
    }

    [Fact]
    public void WhatMemoryDoesNotHoldIsReadAndHiddenByAttentionAlone()
    {
        var cost = new CostModel(Tiny, PlannedMachine.Bare, KvFormat.BF16);
        // 4 heads of 32 pages, of which memory has 32; a page is 8 KiB.
        // An eighth of them is for pages that pass through.
        var step = cost.Step(PolicyCatalog.Dense, 1024, 1, 32, HitCurve.OfNoise);
        Assert.Equal((28.0 / 128, 100), (step.HitShare, step.PagesRead));
        const double ByLayer = 50 * 8192 / 1e8;
        var attention = step.AttentionSeconds / 2;
        var copied = 50 * 8192 / 4e9 / 2;
        Assert.Equal(2 * (ByLayer - attention + copied), step.ReadSeconds, 1e-9);
    }

    [Fact]
    public void AnyTableGoesBeforeTheRatesAndBetweenItsRowsTimesAreStraight()
    {
        var machine = PlannedMachine.Bare with { Matrices = [new("Q8_0", 1, 4e9), new("Q8_0", 5, 2e9)] };
        var cost = new CostModel(Tiny, machine, KvFormat.BF16);
        var bytes = (double)Tiny.Output.StoredBytes;
        Assert.Equal(bytes / 4e9, cost.Seconds([Tiny.Output], 1), 1e-12);
        Assert.Equal(bytes * ((0.75 / 4e9) + (0.25 / 2e9)), cost.Seconds([Tiny.Output], 2), 1e-12);
        // Beyond the table each row takes as long as those before.
        Assert.Equal(bytes / 2e9 * 2, cost.Seconds([Tiny.Output], 10), 1e-12);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.5, 0.295)]
    [InlineData(1, 0.59)]
    [InlineData(1.5, 0.738550)]
    [InlineData(5, 0.945)]
    [InlineData(1000, 1)]
    public void HitsOfTextsAreThoseOfTheirTraces(double pools, double hits) => Assert.Equal(hits, HitCurve.OfTexts.At(pools), 1e-6);

    // Between points of a curve what is missing falls with a power of memory: here with its square.
    [Fact]
    public void BetweenPointsOfACurveMissesFallWithAPower()
    {
        var curve = new HitCurve((0, 0), (2, 0.75), (8, 1 - (1 / 64.0)), (100, 1));
        Assert.Equal(1 - (1 / 16.0), curve.At(4), 1e-12);
        Assert.Equal(0.375, curve.At(1), 1e-12);
    }

    // Of 32k tokens on four layers of the 8B shape: 80 pages a layer are missing where memory has twice a step's, and a handful where it has sixty times.
    [Theory]
    [InlineData(2, true)]
    [InlineData(60, false)]
    public void ReadingAheadPaysWhereMuchIsMissing(double pools, bool pays)
    {
        var machine = PlannedMachine.Bare with
        {
            ReadBytesPerSecond = 30e9,
            Store = new StoreSpeed("paced", 20_000, 400e6, LatencyUs: 100, CpuUs: 10, WriteBytesPerSecond: 1e9),
        };
        var cost = new CostModel(ModelSizes.Of(SyntheticShape.Parse("llama3.1-8b:4"), SyntheticWeights.Q4_0), machine, KvFormat.BF16);
        var quest = PolicyCatalog.Spec("quest:share=0.05,page=32,dense-layers=none,min-context=0").Create();
        var used = cost.Step(quest, 32_768, 1, null, HitCurve.OfTexts).PagesUsed;
        var step = cost.Step(quest, 32_768, 1, pools * used, HitCurve.OfTexts);
        Assert.Equal(pays, step.ReadsAhead);
        // 20,000 reads a second, of which that hides a third or more.
        Assert.InRange(step.ReadSeconds, 0, pays ? 0.7 * step.PagesRead / 20_000 : step.PagesRead / 10_000);
        Assert.Equal(pays, step.PagesRead > 4 * 16);
    }

    [Fact]
    public void SparsePoliciesUseTheirShareOfPagesAndTheirZones()
    {
        var cost = new CostModel(Tiny, PlannedMachine.Bare, KvFormat.BF16);
        var quest = PolicyCatalog.Spec("quest:share=0.05,page=32,dense-layers=none,min-context=0").Create();
        var step = cost.Step(quest, 32_768, 1, null, HitCurve.OfTexts);
        // A twentieth of 1024 pages, and 68 rows of zones.
        Assert.Equal(4 * Math.Ceiling(((0.05 * 32_768) + 68) / 32), step.PagesUsed);
        var dense = cost.Step(PolicyCatalog.Dense, 32_768, 1, null, HitCurve.OfTexts);
        Assert.InRange(step.AttentionSeconds / dense.AttentionSeconds, 0.05, 0.15);
    }
}
