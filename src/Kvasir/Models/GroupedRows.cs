using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Models;

/// <summary>
/// Rows of queries, keys and values that lie by group of heads: the queries that share a KV head, its key, its value, then the next group.
/// </summary>
internal static class GroupedRows
{
    /// <summary>Copies one of the three out of them.</summary>
    /// <param name="stored">All rows, each of rowBytes.</param>
    /// <param name="part">0 for queries, 1 for keys, 2 for values.</param>
    public static void Gather(ModelConfig config, NativeView stored, long rowBytes, int part, NativeView gathered)
    {
        var (group, headBytes) = (config.HeadCount / config.KvHeadCount, config.HeadDim * rowBytes);
        var (first, heads) = part == 0 ? (0, group) : (group + part - 1, 1);
        var bytes = (int)headBytes;
        for (var kvHead = 0; kvHead < config.KvHeadCount; kvHead++)
        {
            for (var head = 0; head < heads; head++)
            {
                var from = stored.Span(((kvHead * (group + 2L)) + first + head) * headBytes, bytes);
                from.CopyTo(gathered.Span(((kvHead * (long)heads) + head) * headBytes, bytes));
            }
        }
    }

    /// <summary>The same of biases.</summary>
    public static float[] Gather(ModelConfig config, float[] stored, int part)
    {
        var (group, dim) = (config.HeadCount / config.KvHeadCount, config.HeadDim);
        var (first, heads) = part == 0 ? (0, group) : (group + part - 1, 1);
        var gathered = new float[config.KvHeadCount * heads * dim];
        for (var at = 0; at < gathered.Length; at += dim)
        {
            var (kvHead, head) = (at / dim / heads, at / dim % heads);
            stored.AsSpan(((kvHead * (group + 2)) + first + head) * dim, dim).CopyTo(gathered.AsSpan(at));
        }

        return gathered;
    }
}
