namespace Kvasir.Models.Streaming;

/// <summary>
/// For how many of its experts each layer has a place in memory. Every layer has its own: layers take turns, so what one layer used longest ago is what it
/// comes back to next, and an order over all layers would give up just that.
/// </summary>
/// <param name="Slots">[layers]; 0 where a layer has no experts.</param>
internal sealed record ExpertShares(int[] Slots)
{
    /// <summary>Of a layer: one expert is computed with while another comes.</summary>
    public const int LeastSlots = 2;

    /// <summary>As many as there is room for, and one more in some layers where it is not enough for one in each.</summary>
    /// <param name="layers">What an expert takes, and how many there are; (0, 0) for a layer without.</param>
    /// <returns>Null where not even <see cref="LeastBytes"/> are there.</returns>
    public static ExpertShares? Of((long SlotBytes, int Count)[] layers, long budgetBytes)
    {
        if (LeastBytes(layers) is var taken && taken > budgetBytes)
            return null;
        var slots = Array.ConvertAll(layers, static layer => Math.Min(layer.Count, LeastSlots));
        for (var (grown, round) = (true, 0); grown; round++)
        {
            grown = false;
            // Rounds begin at another layer each, so that none is always the last.
            for (var turn = 0; turn < layers.Length; turn++)
            {
                var layer = (turn + round) % layers.Length;
                if (slots[layer] == layers[layer].Count || taken + layers[layer].SlotBytes > budgetBytes)
                    continue;
                (slots[layer], taken, grown) = (slots[layer] + 1, taken + layers[layer].SlotBytes, true);
            }
        }

        return new ExpertShares(slots);
    }

    /// <summary>The least that <see cref="Of"/> takes.</summary>
    public static long LeastBytes((long SlotBytes, int Count)[] layers) =>
        layers.Sum(static layer => layer.SlotBytes * Math.Min(layer.Count, LeastSlots));
}
