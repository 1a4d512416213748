using Kvasir.Attention.Batches;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Forward;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Support;

/// <summary>The engine's own forward pass, asked for the logits of every position.</summary>
internal static class GoldenLogitsEngine
{
    /// <summary>
    /// Logits after each token of one sequence, [position][vocabulary]. The first <paramref name="promptCount"/> tokens are computed as a
    /// prompt in chunks of <paramref name="chunkTokens"/>, the others one by one as generated tokens are.
    /// </summary>
    public static float[][] LogitsOf(string path, int[] tokens, KvFormat kv, int promptCount, int chunkTokens)
    {
        using var model = Model.Load(path);
        var config = model.Config;
        using var pool = new WorkerPool(2);
        using var cache = new KvCache(kv, config.Attention, new MemoryBudget(16 << 20));
        using var pass = new ForwardPass(model, cache, pool, new Batch(chunkTokens, 1, chunkTokens), tokens.Length);
        var sequence = pass.Open(cache.Open(tokens.Length), PolicyCatalog.Dense, tokens.Length, promptCount);
        Assert.True(sequence.Cache!.TryReserve(tokens.Length));
        var logits = new List<float[]>();
        while (logits.Count < tokens.Length)
        {
            var rows = logits.Count < promptCount ? Math.Min(chunkTokens, promptCount - logits.Count) : 1;
            pass.Batch.Clear();
            pass.Batch.Add(sequence, tokens.AsSpan(logits.Count, rows), rows);
            pass.Run();
            for (var i = 0; i < rows; i++)
                logits.Add(pass.Logits(i).ToArray());
        }
        return [.. logits];
    }
}
