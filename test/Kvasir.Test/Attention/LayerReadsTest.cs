using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Synthetic;

namespace Kvasir.Test.Attention;

public sealed class LayerReadsTest : IDisposable
{
    private const int Depth = 300;
    private const int KvHeads = 2;
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20, ContextTokens = 512, MaxSequences = 3 };
    private readonly Model _model = Model.Synthetic("tiny", SyntheticWeights.Q8_0, options: new ModelOptions { Repack = false });

    public void Dispose() => _model.Dispose();

    [Fact]
    public void EveryStepTellsWhatEachLayerRead()
    {
        using var engine = new Engine(_model, Options);
        Assert.Equal(new LayerReads[2], engine.LastStepLayers.ToArray());
        var streaming = PolicyCatalog.Parse("streaming:sinks=3,recent=5,dense-layers=1,min-context=0");
        var observing = PolicyCatalog.Parse("h2o:heavy=0.1,newest=0.1,observed=8,recent=4,dense-layers=0+1,min-context=0");
        engine.Submit(new Sequence(Prompt(100), Generation.Greedy(3) with { Attention = streaming }));
        engine.Submit(new Sequence(Prompt(60), Generation.Greedy(3) with { Attention = observing }));
        engine.Step();
        // Prompts are dense whatever the policy, and count for nothing, even where a policy learns from them.
        Assert.Equal(new LayerReads[2], engine.LastStepLayers.ToArray());
        for (var step = 1; step < 3; step++)
        {
            engine.Step();
            var (first, second) = (100 + step, 60 + step);
            Assert.Equal(
                [new LayerReads(KvHeads * (8 + second), KvHeads * (first + second), 0), new LayerReads(KvHeads * (first + second), KvHeads * (first + second), 0)],
                engine.LastStepLayers.ToArray());
            AssertTotals(engine.LastStep, engine.LastStepLayers.ToArray());
        }
    }

    [Theory]
    [InlineData("psa:block=8,group=2,coverage=0.6,sinks=8,recent=16,dense-layers=1,min-context=0", 8)]
    [InlineData("quest:share=0.2,page=4,sinks=4,recent=4,dense-layers=1,min-context=0", 4)]
    public void BlocksAreCountedWhereAPolicyChoosesThem(string policy, int blockRows)
    {
        using var engine = new Engine(_model, Options);
        using var probe = new EngineProbe(engine, PolicyCatalog.Parse(policy), 400, seed: 3);
        probe.FillRandom(Depth);
        var total = probe.Decode(2, 3);
        var reads = probe.Reads.ToArray();
        AssertTotals(total, reads);
        Assert.Equal(new LayerReads(reads[1].RowsInSight, reads[1].RowsInSight, 0), reads[1]);
        Assert.Equal(2 * KvHeads * ((Depth + 1) + (Depth + 2) + (Depth + 3)), reads[1].RowsInSight);
        // The rest are zones, and rows that share a block with one.
        var zones = reads[0].RowsRead - (reads[0].BlocksRead * blockRows);
        Assert.InRange(reads[0].BlocksRead, 12, 12 * Depth / blockRows - 1);
        Assert.InRange(zones, 12 * 8, 12 * (24 + (2 * blockRows)));
        probe.Decode(2, 3);
        Assert.Equal(reads, probe.Reads.ToArray());
    }

    [Fact]
    public void CountingAllocatesNothing()
    {
        using var engine = new Engine(_model, Options);
        engine.Submit(new Sequence(Prompt(100), Generation.Greedy(60) with { TopLogprobs = null, Attention = PolicyCatalog.Parse("psa:block=4,min-context=0,sinks=4,recent=4") }));
        for (var step = 0; step < 10; step++)
            engine.Step();
        var read = 0L;
        var bytes = AllocatedBytes.Of(
            () =>
            {
                for (var step = 0; step < 20; step++)
                {
                    engine.Step();
                    foreach (var layer in engine.LastStepLayers)
                        read += layer.BlocksRead;
                }
            },
            mostWindows: 2);
        Assert.Equal(0, bytes);
        Assert.True(read > 0);
    }

    private static void AssertTotals(StepTimings total, LayerReads[] layers) =>
        Assert.Equal((total.RowsRead, total.RowsInSight), (layers.Sum(static layer => layer.RowsRead), layers.Sum(static layer => layer.RowsInSight)));

    private static int[] Prompt(int tokens) => [.. Enumerable.Range(0, tokens).Select(static i => 3 + (i * i % 1000))];
}
