using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// One threshold for all layers (PrefixKV): each keeps as many of its best rows as make up the same share of its attention, and that share is searched for
/// which all layers together keep the budget. All heads of a layer keep the same rows, those that they read most together. Attention is collected from the
/// last rows of the prompt, not from all of them as in the paper, whose column sums would take a second pass over the prompt's attention; and the paper's
/// removal of a row for each that is generated is left out, as what is generated stays.
/// </summary>
public sealed class PrefixKV(PolicySpec spec) : PromptDropping(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "prefixkv", "the same share of attention in every layer, by as many tokens as that takes; the others are given up for good when the prompt is over",
        "PrefixKV: Wang et al. 2024, arXiv 2412.03409", "prefixkv:share=1,min-context=0", static spec => new PrefixKV(spec),
        Options(sinks: 4, recent: 32, observed: 64))
    {
        Effect = PolicyEffect.Drop,
        Budgets = Shares,
    };

    internal override void Decide(PromptHeads heads)
    {
        if (heads.Count == 0 || heads[0].MiddleRows == 0)
            return;
        var (layers, rows, wanted) = (0, heads[0].MiddleRows, 0L);
        for (var first = 0; first < heads.Count; first = heads.LayerEnd(first))
        {
            Agree(heads, first, heads.LayerEnd(first));
            (layers, wanted) = (layers + 1, wanted + heads[first].Kept);
        }

        // [layers, rows between the zones and none of them]: the share of the layer's attention that the zones have with so many of the best rows.
        var length = rows + 1;
        using var memory = new NativeBuffer((long)layers * length * sizeof(float));
        var shares = memory.View.Span<float>(0, layers * length);
        for (var (first, layer) = (0, 0); first < heads.Count; first = heads.LayerEnd(first))
            Accumulate(heads[first], shares.Slice(layer++ * length, length));
        var threshold = Threshold(shares, length, wanted);
        var left = wanted - KeptAt(threshold, shares, length);
        for (var (first, layer) = (0, 0); first < heads.Count; layer++)
        {
            // Rows of a layer that nobody read have no share: the first layers have room for what the budget has left.
            var kept = RowsFor(threshold, shares.Slice(layer * length, length));
            var more = (int)Math.Min(left, rows - kept);
            left -= more;
            for (var end = heads.LayerEnd(first); first < end; first++)
                heads[first].Kept = kept + more;
        }
    }

    private static void Agree(PromptHeads heads, int first, int end)
    {
        for (var i = first + 1; i < end; i++)
            heads[first].Add(heads[i]);
        for (var i = first + 1; i < end; i++)
            heads[i].Take(heads[first]);
    }

    private static void Accumulate(PromptHead head, Span<float> shares)
    {
        var best = shares[1..];
        head.CopyMiddle(best);
        best.Sort();
        best.Reverse();
        var (all, middle) = head.Sums();
        var sum = all - middle;
        shares[0] = (float)(sum / all);
        foreach (ref var share in best)
            share = (float)((sum += share) / all);
    }

    // The largest share for which the layers keep no more than they may, to what a float can tell.
    private static float Threshold(ReadOnlySpan<float> shares, int length, long wanted)
    {
        var (low, high) = (0, BitConverter.SingleToInt32Bits(1) + 1);
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            var fits = KeptAt(BitConverter.Int32BitsToSingle(middle), shares, length) <= wanted;
            (low, high) = fits ? (middle, high) : (low, middle);
        }

        return BitConverter.Int32BitsToSingle(low);
    }

    private static long KeptAt(float share, ReadOnlySpan<float> shares, int length)
    {
        var kept = 0L;
        for (var first = 0; first < shares.Length; first += length)
            kept += RowsFor(share, shares.Slice(first, length));
        return kept;
    }

    // The fewest rows with this share: all of them if it is never reached.
    private static int RowsFor(float share, ReadOnlySpan<float> shares)
    {
        var (low, high) = (0, shares.Length - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (shares[middle] >= share)
                high = middle;
            else
                low = middle + 1;
        }

        return low;
    }
}
