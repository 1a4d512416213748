namespace Kvasir;

/// <summary>What generated tokens read of the cache in one layer, over all its KV heads and the sequences of a step, or over several steps.</summary>
/// <param name="RowsRead">Keys and values that were attended to.</param>
/// <param name="RowsInSight">Those that would have been under dense attention.</param>
/// <param name="BlocksRead">Blocks that were chosen as such, by policies that choose blocks or pages; their rows are among those read.</param>
public readonly record struct LayerReads(long RowsRead, long RowsInSight, long BlocksRead)
{
    /// <summary>How often a head stopped at the most that it may read for a token, as with <c>psa:most</c>, before it had read enough.</summary>
    public long Cut { get; init; }

    /// <summary>Keys read of those in sight; 1 where nothing was generated.</summary>
    public double KeysReadShare => RowsInSight == 0 ? 1 : (double)RowsRead / RowsInSight;

    /// <summary>Both together.</summary>
    public static LayerReads operator +(LayerReads left, LayerReads right) =>
        new(left.RowsRead + right.RowsRead, left.RowsInSight + right.RowsInSight, left.BlocksRead + right.BlocksRead) { Cut = left.Cut + right.Cut };

    /// <summary>What the left has more.</summary>
    public static LayerReads operator -(LayerReads left, LayerReads right) =>
        new(left.RowsRead - right.RowsRead, left.RowsInSight - right.RowsInSight, left.BlocksRead - right.BlocksRead) { Cut = left.Cut - right.Cut };
}
