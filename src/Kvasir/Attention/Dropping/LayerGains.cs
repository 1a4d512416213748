using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// What each layer keeps of one prompt at any budget (XKV, section 4): the next row goes to the layer of whose attention it has most. What a layer gains by a
/// row more, its heads' next best rows together, only falls, so that going through all gains from the largest on is what giving out row by row comes to.
/// </summary>
internal static class LayerGains
{
    private const int LayerBits = 13;

    /// <summary>Adds what layers keep at each step of <see cref="LayerBudgets"/>.</summary>
    /// <param name="heads">Of all layers, which have observed a prompt; their scores are those that choose.</param>
    /// <param name="shares">[layers, <see cref="LayerBudgets.Steps"/>]</param>
    public static void Add(PromptHeads heads, int layerCount, Span<double> shares)
    {
        var rows = heads[0].MiddleRows;
        if (rows == 0)
            return;
        using var memory = new NativeBuffer((long)layerCount * rows * sizeof(ulong) + 2L * rows * sizeof(float));
        var gains = memory.View.Span<ulong>(0, layerCount * rows);
        var scores = memory.View.Span<float>((long)layerCount * rows * sizeof(ulong), 2 * rows);
        for (var first = 0; first < heads.Count; first = heads.LayerEnd(first))
        {
            var layer = heads[first].Place.Layer;
            Find(heads, first, scores[..rows], scores[rows..]);
            for (var i = 0; i < rows; i++)
                gains[layer * rows + i] = (ulong)LargestNumbers.Rank(scores[i]) << LayerBits | (uint)(layerCount - layer);
        }

        gains.Sort();
        Span<int> kept = stackalloc int[layerCount];
        kept.Clear();
        for (var (given, step) = (0L, 0); given < gains.Length;)
        {
            kept[layerCount - (int)(gains[gains.Length - 1 - (int)given++] & ((1 << LayerBits) - 1))]++;
            for (; step < LayerBudgets.Steps && given * LayerBudgets.Steps >= (step + 1L) * gains.Length; step++)
            {
                for (var layer = 0; layer < layerCount; layer++)
                    shares[layer * LayerBudgets.Steps + step] += (double)kept[layer] / rows;
            }
        }
    }

    // The t-th largest scores of a layer's heads together, for every t, by all that the layer has.
    private static void Find(PromptHeads heads, int first, Span<float> gains, Span<float> own)
    {
        gains.Clear();
        for (var head = first; head < heads.LayerEnd(first); head++)
        {
            heads[head].CopyMiddle(own);
            own.Sort();
            for (var i = 0; i < gains.Length; i++)
                gains[i] += own[own.Length - 1 - i];
        }

        var sum = 0.0;
        foreach (var gain in gains)
            sum += gain;
        foreach (ref var gain in gains)
            gain = sum > 0 ? (float)(gain / sum) : 0;
    }
}
