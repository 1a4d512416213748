namespace Kvasir.Models;

/// <summary>
/// Which layers stay in memory and which are read from their file whenever a pass comes to them, through two places that take turns. Those that are read lie
/// evenly among those that stay, so that a file has the time of these to deliver them; it is a fixed set, since what was used longest ago is what comes next.
/// </summary>
/// <param name="IsRead">[layers].</param>
/// <param name="SlotBytes">Of each of the two places; 0 where nothing is read.</param>
internal sealed record LayerShares(bool[] IsRead, long SlotBytes)
{
    /// <summary>Layers of which one is computed with while the next one comes.</summary>
    public const int SlotCount = 2;

    // What may lie before and behind what is wanted, of blocks that are read whole.
    private const long SlackBytes = 64 << 10;

    public int ReadCount => IsRead.Count(static isRead => isRead);

    /// <summary>The most that can stay.</summary>
    /// <param name="layerBytes">[layers]: of their matrices.</param>
    /// <param name="otherBytes">What stays in any case.</param>
    /// <param name="budgetBytes">For all of it.</param>
    /// <returns>Null where even two layers at a time are too much.</returns>
    public static LayerShares? Of(long[] layerBytes, long otherBytes, long budgetBytes)
    {
        var count = layerBytes.Length;
        if (otherBytes + layerBytes.Sum() <= budgetBytes)
            return new LayerShares(new bool[count], 0);
        // Each place has the same layers in every pass, so as many have to go through either. With two or fewer nothing would be saved.
        for (var read = SlotCount * 2; read <= count; read += SlotCount)
        {
            var shares = Spread(layerBytes, read);
            if (shares.ResidentBytes(layerBytes) + otherBytes <= budgetBytes)
                return shares;
        }

        return null;
    }

    /// <summary>The least that <see cref="Of"/> takes.</summary>
    public static long LeastBytes(long[] layerBytes, long otherBytes) =>
        otherBytes + (layerBytes.Length < SlotCount * 2
            ? layerBytes.Sum()
            : Spread(layerBytes, layerBytes.Length / SlotCount * SlotCount).ResidentBytes(layerBytes));

    /// <summary>What they take, both places among it.</summary>
    public long ResidentBytes(long[] layerBytes)
    {
        var bytes = SlotCount * SlotBytes;
        for (var layer = 0; layer < layerBytes.Length; layer++)
            bytes += IsRead[layer] ? 0 : layerBytes[layer];
        return bytes;
    }

    private static LayerShares Spread(long[] layerBytes, int read)
    {
        var (isRead, most, count) = (new bool[layerBytes.Length], 0L, layerBytes.Length);
        for (var layer = 0; layer < count; layer++)
        {
            isRead[layer] = ((long)(layer + 1) * read / count) > ((long)layer * read / count);
            most = isRead[layer] ? Math.Max(most, layerBytes[layer]) : most;
        }

        return new LayerShares(isRead, most + SlackBytes);
    }
}
