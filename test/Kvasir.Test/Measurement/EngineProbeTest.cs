using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Models;
using Kvasir.Synthetic;

namespace Kvasir.Test.Measurement;

public sealed class EngineProbeTest : IDisposable
{
    private static readonly AttentionPolicy Dense = PolicyCatalog.Parse("dense");
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20, ContextTokens = 512, MaxSequences = 3 };
    private readonly Model _model = Model.Synthetic("tiny", SyntheticWeights.Q8_0, options: new ModelOptions { Repack = false });

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(1, "bf16")]
    [InlineData(32, "q8")]
    [InlineData(100, "f32")]
    public void ARandomFillHasTheDepthInEveryHead(int depth, Kv kv)
    {
        using var engine = new Engine(_model, Options with { Kv = kv });
        using var probe = new EngineProbe(engine, Dense, 200, seed: 1);
        probe.FillRandom(depth);
        Assert.Equal(depth, probe.Depth);
        AssertRows(probe, depth);
        probe.Decode(1, 3);
        Assert.All(probe.Logits.ToArray(), static logit => Assert.True(float.IsFinite(logit)));
        AssertRows(probe, depth);
    }

    [Fact]
    public void KeysOfARandomFillAreSpreadAsTrainedOnes()
    {
        const int Rows = 4000;
        using var engine = new Engine(_model, Options with { ContextTokens = Rows, KvMemoryBytes = 16 << 20 });
        using var probe = new EngineProbe(engine, Dense, Rows, seed: 1);
        probe.FillRandom(Rows);
        var (keys, values) = (Columns(probe.Head(0, 1, 0).Keys, Rows), Columns(probe.Head(0, 1, 0).Values, Rows));
        var means = keys.Select(static column => column.Average()).ToArray();
        var noise = keys.Zip(means, static (column, mean) => column.Select(x => x - mean).ToArray()).ToArray();
        var energy = noise.Select(static column => column.Average(static x => x * x)).ToArray();
        // Means of 1.5 deviations; pairs of RoPE with energies 1, 1/2, 1/3, ...: 64% are in the slowest 6 of 32, which come last.
        Assert.InRange(Math.Sqrt(means.Average(static mean => mean * mean) / energy.Average()), 1.1, 1.9);
        Assert.InRange(energy[^12..].Sum() / energy.Sum(), 0.5, 0.7);
        var neighbours = noise.Sum(static column => column.Zip(column.Skip(1), static (x, y) => x * y).Sum()) / noise.Sum(static column => column.Sum(static x => x * x));
        Assert.InRange(neighbours, 0.75, 0.83);
        Assert.InRange(Math.Sqrt(values.Average(static column => column.Average() * column.Average())), 0.4, 0.6);
        Assert.NotEqual(means, Columns(probe.Head(0, 1, 1).Keys, Rows).Select(static column => column.Average()));
    }

    [Fact]
    public void APrefillOnTopOfADepthEqualsOneFromTheBeginning()
    {
        using var engine = new Engine(_model, Options);
        using var probe = new EngineProbe(engine, Dense, 160, seed: 7);
        probe.Prefill(150);
        var whole = probe.Logits.ToArray();
        probe.FillByPrefill(90);
        for (var run = 0; run < 2; run++)
        {
            Assert.Equal(60, probe.Prefill(60).Rows);
            AssertClose(whole, probe.Logits.ToArray());
            AssertRows(probe, 90);
        }
    }

    [Fact]
    public void SequencesOfABatchHaveTheSameRows()
    {
        using var engine = new Engine(_model, Options);
        using var probe = new EngineProbe(engine, Dense, 80, seed: 7);
        probe.FillRandom(50);
        probe.Decode(1, 4);
        var alone = probe.Logits.ToArray();
        Assert.Equal(3 * 4, probe.Decode(3, 4).Rows);
        using var use = engine.Use();
        for (var i = 0; i < 3; i++)
            AssertClose(alone, use.Pass.Logits(i).ToArray());
    }

    [Fact]
    public void EveryPageIsGivenBack()
    {
        using var engine = new Engine(_model, Options);
        using (var probe = new EngineProbe(engine, Dense, 80, seed: 7))
        {
            probe.FillRandom(50);
            probe.Decode(3, 4);
            Assert.Equal(3 * 64 * engine.Plan.KvBytesPerToken, engine.KvBytesInUse);
        }

        engine.Verify();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    // The tiny shape: two layers of 425,984 weights and an embedding of 262,144, tied; 34 bytes for each 32.
    [Fact]
    public void BytesOfAStepAreMatricesEmbeddingRowsAndRowsInSight()
    {
        using var engine = new Engine(_model, Options);
        using var probe = new EngineProbe(engine, Dense, 80, seed: 7);
        probe.FillRandom(50);
        const long Weights = ((2 * ((2 * 256 * 256) + (2 * 256 * 128) + (3 * 256 * 512))) + (1024 * 256)) / 32 * 34;
        const long EmbeddingRow = 256 / 32 * 34;
        const long TokenRows = 2 * 2 * 2 * 64 * sizeof(float);
        Assert.Equal(Weights + EmbeddingRow + (51 * TokenRows), probe.StepBytes(1));
        Assert.Equal(Weights + (3 * (EmbeddingRow + (51 * TokenRows))), probe.StepBytes(3));
    }

    [Fact]
    public void TimesAddUpAndStepsAllocateNothing()
    {
        using var engine = new Engine(_model, Options);
        using var probe = new EngineProbe(engine, Dense, 200, seed: 7);
        probe.FillRandom(100);
        probe.Decode(3, 8);
        var short0 = Allocated(8);
        var long0 = Allocated(72);
        Assert.Equal(short0, long0);
        var timings = probe.Decode(3, 8);
        Assert.True(timings is { LinearMs: > 0, AttentionMs: > 0, SelectionMs: 0 }, $"{timings}");
        Assert.True(timings.LinearMs + timings.AttentionMs <= timings.TotalMs, $"{timings}");

        long Allocated(int steps) => AllocatedBytes.Of(() => probe.Decode(3, steps));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void StepsAreAuditedWhenAsked(double share)
    {
        using var engine = new Engine(_model, Options);
        using var probe = new EngineProbe(engine, PolicyCatalog.Parse("streaming:recent=16,min-context=0"), 200, seed: 7) { AuditShare = share };
        probe.FillRandom(100);
        for (var run = 0; run < 2; run++)
            Assert.Equal(share > 0, probe.Decode(2, 4).AuditMs > 0);
    }

    [Fact]
    public void AnEngineTellsOfItsLastStep()
    {
        using var engine = new Engine(_model, Options);
        Assert.Equal(default, engine.LastStep);
        engine.Submit(new Sequence([1, 2, 3, 4, 5], Generation.Greedy(3)));
        engine.Step();
        Assert.Equal(5, engine.LastStep.Rows);
        engine.Step();
        var last = engine.LastStep;
        Assert.True(last is { Rows: 1, LinearMs: > 0, AttentionMs: > 0 } && last.LinearMs + last.AttentionMs <= last.TotalMs, $"{last}");
    }

    [Fact]
    public void CancelledWorkLeavesTheDepthAsItWas()
    {
        using var engine = new Engine(_model, Options);
        using var probe = new EngineProbe(engine, Dense, 400, seed: 7);
        probe.FillRandom(40);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => probe.Prefill(300, cancelled.Token));
        Assert.Throws<OperationCanceledException>(() => probe.Decode(2, 3, cancelled.Token));
        AssertRows(probe, 40);
        Assert.Throws<OperationCanceledException>(() => probe.FillByPrefill(30, cancelled.Token));
        Assert.Equal(0, probe.Depth);
        AssertRows(probe, 0);
    }

    private void AssertRows(EngineProbe probe, int rows)
    {
        for (var layer = 0; layer < _model.Config.LayerCount; layer++)
        {
            for (var kvHead = 0; kvHead < _model.Config.KvHeadCount; kvHead++)
                Assert.Equal(rows, probe.Head(0, layer, kvHead).RowCount);
        }
    }

    private static void AssertClose(float[] expected, float[] actual)
    {
        var scale = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
            Assert.InRange(actual[i] - expected[i], -0.03 * scale, 0.03 * scale);
    }

    private float[][] Columns(PagedRows rows, int count)
    {
        var columns = Enumerable.Range(0, _model.Config.HeadDim).Select(_ => new float[count]).ToArray();
        var row = new float[columns.Length];
        for (var i = 0; i < count; i++)
        {
            rows.Decode(i, row);
            for (var c = 0; c < columns.Length; c++)
                columns[c][i] = row[c];
        }

        return columns;
    }
}
