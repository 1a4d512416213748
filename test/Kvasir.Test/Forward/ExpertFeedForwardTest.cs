using Kvasir.Attention.Batches;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Forward;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Test.Forward;

/// <summary>Mixtures of experts through the whole forward pass: nothing depends on workers, on the other rows of a batch, or on how weights lie.</summary>
public sealed class ExpertFeedForwardTest
{
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 48).Select(static i => (i * 131) % 509)];

    // Kernels of one row and of several may sum in another order. Activations that are rounded to bytes make so much of that that a router's near ties fall otherwise,
    // as they do between any two engines; these are not.
    [Fact]
    public void RowsOfABatchAreThoseComputedAlone()
    {
        using var model = Tiny(SyntheticWeights.BF16, repack: false);
        var together = Logits(model, workers: 1, rows: 12);
        var alone = Logits(model, workers: 1, rows: 1);
        for (var i = 0; i < Tokens.Length; i++)
            Assert.True(alone[i].Zip(together[i], static (a, b) => Math.Abs(a - b)).Max() < 2e-5f * alone[i].Max(Math.Abs), $"row {i}");
    }

    [Theory]
    [InlineData(SyntheticWeights.Q4_K_M)]
    [InlineData(SyntheticWeights.BF16)]
    public void WorkersChangeNothing(SyntheticWeights weights)
    {
        using var model = Tiny(weights, repack: true);
        var (one, three) = (Logits(model, workers: 1, rows: 48), Logits(model, workers: 3, rows: 48));
        for (var i = 0; i < Tokens.Length; i++)
            Assert.Equal(one[i], three[i]);
    }

    [Fact]
    public void StepsAllocateNothing()
    {
        using var model = Tiny(SyntheticWeights.Q4_K_M, repack: true);
        using var engine = new Engine(model, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20 });
        var sequences = Enumerable.Range(0, 3).Select(i => new Sequence(Tokens.AsSpan(0, 20 + i), Generation.Greedy(120))).ToArray();
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        for (var step = 0; step < 10; step++)
            engine.Step();
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 40));
    }

    // Packed or mapped, the same tokens; and the bytes of a step are those of the experts that a token chooses.
    [Theory]
    [InlineData(SyntheticWeights.Q4_K_M)]
    [InlineData(SyntheticWeights.Q8_0)]
    public void PackedExpertsGiveTheSameTokensAsMappedOnes(SyntheticWeights weights)
    {
        using var packed = Tiny(weights, repack: true);
        using var mapped = Tiny(weights, repack: false);
        Assert.Equal(Logits(mapped, 2, 16).Select(Best), Logits(packed, 2, 16).Select(Best));
        var (all, experts) = (mapped.Weights, mapped.Weights.Experts!);
        Assert.Equal((experts.Bytes, experts.Bytes * 3 / 10), (experts.MappedBytes, experts.TokenBytes));
        Assert.Equal(all.Output.Bytes + all.Layers.Sum(static layer => layer.MatrixBytes) + experts.TokenBytes, all.StepBytes);
        Assert.InRange(packed.Weights.Experts!.MappedBytes, 0, packed.Weights.PackedBytes == 0 ? experts.Bytes : 0);
    }

    // Where experts would take the memory of keys and values, they alone stay; a layer's matrices of one kind are packed all or none.
    [Fact]
    public void ExpertsAreLeftWhereTheyAreWhileOtherMatricesArePacked()
    {
        using var memory = new NativeBuffer(2 * 40 * 34);
        WeightMatrix first = new(WeightType.Q8_0, 40, 32, memory.View.Slice(0, 40 * 34)), other = new(WeightType.F32, 4, 32, memory.View);
        var pays = PackedWeights.Pays(WeightType.Q8_0);
        using var leaving = new WeightPacker(enabled: true, packsExperts: false);
        Assert.False(leaving.TryPackAll([first, first]));
        Assert.Equal(pays, leaving.TryPack(first, out _));
        using var packing = new WeightPacker(enabled: true, packsExperts: true);
        WeightMatrix[] alike = [first, first], mixed = [first, other];
        Assert.False(packing.TryPackAll(mixed));
        Assert.False(mixed[0].IsPacked);
        Assert.Equal(pays, packing.TryPackAll(alike));
        Assert.All(alike, matrix => Assert.Equal(pays, matrix.IsPacked));
        Assert.Equal(pays ? 2 * PackedWeights.Bytes(WeightType.Q8_0, 40, 32) : 0, packing.Bytes);
    }

    private static Model Tiny(SyntheticWeights weights, bool repack)
    {
        var tiny = SyntheticShape.Parse("tiny");
        var experts = new ExpertShape { Count = 10, Used = 3, Width = 256, Scale = 1.25f };
        var config = tiny.Config with
        {
            Architecture = "qwen3moe",
            FeedForwardWidth = 0,
            Layers = LayerShapes.Alike(2, new LayerShape { QkNorm = QkNorm.Heads, Experts = experts }),
        };
        return Model.Synthetic(new SyntheticShape(config, 2), weights, options: new ModelOptions { Repack = repack });
    }

    private static float[][] Logits(Model model, int workers, int rows)
    {
        var config = model.Config;
        using var pool = new WorkerPool(workers);
        using var cache = new KvCache(KvFormat.F32, config.LayerCount, config.KvHeadCount, config.HeadDim, 16 << 20);
        using var pass = new ForwardPass(model, cache, pool, new Batch(rows, rows, rows), Tokens.Length);
        var logits = new List<float[]>();
        // Rows of sequences of their own: so that attention is the same for all, and only products see the batch.
        for (var first = 0; first < Tokens.Length; first += rows)
        {
            pass.Batch.Clear();
            var sequences = Tokens[first..(first + rows)].Select(_ => pass.Open(cache.Open(1), PolicyCatalog.Dense, 1, 1)).ToArray();
            for (var i = 0; i < rows; i++)
            {
                Assert.True(sequences[i].Cache!.TryReserve(1));
                pass.Batch.Add(sequences[i], Tokens.AsSpan(first + i, 1), 1);
            }
            pass.Run();
            for (var i = 0; i < rows; i++)
                logits.Add(pass.Logits(i).ToArray());
        }
        return [.. logits];
    }

    private static int Best(float[] row) => Array.IndexOf(row, row.Max());
}
