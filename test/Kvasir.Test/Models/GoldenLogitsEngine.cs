using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Models;

namespace Kvasir.Test.Models;

/// <summary>The engine's own forward pass, asked for the logits of every position.</summary>
internal static class GoldenLogitsEngine
{
    /// <summary>
    /// Logits after each token of one sequence, [position][vocabulary]. The first <paramref name="promptCount"/> tokens are computed as a
    /// prompt in chunks of <paramref name="chunkTokens"/>, the others one by one as generated tokens are.
    /// </summary>
    public static float[][] LogitsOf(string path, int[] tokens, KvType kv, int promptCount, int chunkTokens)
    {
        using var model = Model.Load(path);
        var config = model.Config;
        using var pool = new WorkerPool(2);
        using var cache = new KvCache(kv, config.LayerCount, config.KvHeadCount, config.HeadDim, 16 << 20);
        var batch = new Batch(chunkTokens, 1, chunkTokens);
        using var transformer = new Transformer(config, model.Weights, kv, pool, batch, tokens.Length);
        var sequence = Started(tokens, promptCount, config, cache);
        var logits = new List<float[]>();
        while (logits.Count < tokens.Length)
        {
            if (sequence.CachedCount == sequence.TokenCount)
                sequence.CommitToken(tokens[sequence.TokenCount], [], default);
            var rows = Math.Min(chunkTokens, sequence.TokenCount - sequence.CachedCount);
            batch.Clear();
            Assert.True(sequence.Cache!.TryReserve(sequence.CachedCount + rows));
            batch.Add(sequence, rows, allLogits: true);
            Assert.True(transformer.Forward(batch));
            sequence.CommitRows(rows);
            for (var i = 0; i < rows; i++)
                logits.Add(transformer.Logits(i).ToArray());
        }
        return [.. logits];
    }

    private static Sequence Started(int[] tokens, int promptCount, ModelConfig config, KvCache cache)
    {
        var policy = PolicyCatalog.Dense;
        var sequence = new Sequence(tokens.AsSpan(0, promptCount));
        sequence.Accept(tokens.Length, policy, new Sampler(SamplingOptions.Greedy, null, config.VocabularySize));
        var selectors = new List<Selector>();
        for (var layer = 0; layer < config.LayerCount; layer++)
        {
            for (var head = 0; head < config.KvHeadCount; head++)
                selectors.Add(policy.CreateSelector(new HeadPlace(layer, config.LayerCount, head, config.HeadCount / config.KvHeadCount, config.HeadDim, tokens.Length)));
        }
        sequence.Start(cache.Open(tokens.Length), [.. selectors]);
        return sequence;
    }
}
