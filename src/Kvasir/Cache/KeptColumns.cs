namespace Kvasir.Cache;

/// <summary>
/// Columns that somebody has asked to be kept for a time: they go after all others, as long as their time lasts. Whoever finds one begins its time anew. No
/// column is kept longer than those before it: marks are of beginnings.
/// </summary>
/// <param name="leaves">Those that may go now, whose order depends on what is kept.</param>
internal sealed class KeptColumns(ColumnHeap<LeafOrder> leaves)
{
    private readonly ColumnHeap<KeptOrder> _columns = new();

    public int Count => _columns.Count;

    /// <summary>The most that there may be.</summary>
    public long MostCount { get; set; }

    /// <summary>The time, which only grows.</summary>
    public long NowMs { get; private set; }

    public void Reserve(int count) => _columns.Reserve(count);

    /// <summary>Lets go what has had its time.</summary>
    public void Sweep(long nowMs)
    {
        NowMs = nowMs;
        while (_columns.Count > 0 && _columns.First.KeptUntilMs <= nowMs)
            Drop(_columns.First);
    }

    /// <summary>
    /// Keeps the first columns of a chain, and those longer that were kept longer. What is more than may be kept is taken from those with the least time left.
    /// </summary>
    public void Keep(ReadOnlySpan<PrefixColumn> columns, long ms)
    {
        foreach (var column in columns)
            Set(column, Math.Max(ms, column.IsKept ? column.KeptForMs : 0), Math.Max(NowMs + ms, column.IsKept ? column.KeptUntilMs : 0));
        while (_columns.Count > MostCount)
            Drop(_columns.First);
    }

    /// <summary>Somebody has found the column.</summary>
    public void Renew(PrefixColumn column)
    {
        if (column.IsKept)
            Set(column, column.KeptForMs, NowMs + column.KeptForMs);
    }

    /// <summary>Keeps a column no longer, if it is kept.</summary>
    public void Drop(PrefixColumn column)
    {
        if (!column.IsKept)
            return;
        var isLeaf = TakeOut(column);
        if (isLeaf)
            leaves.Add(column);
    }

    private void Set(PrefixColumn column, long forMs, long untilMs)
    {
        var isLeaf = TakeOut(column);
        (column.KeptForMs, column.KeptUntilMs) = (forMs, untilMs);
        _columns.Add(column);
        if (isLeaf)
            leaves.Add(column);
    }

    // Of both orders, for what it is known by in them is about to change.
    private bool TakeOut(PrefixColumn column)
    {
        var isLeaf = column.LeafPlace >= 0;
        if (isLeaf)
            leaves.Remove(column);
        if (column.IsKept)
            _columns.Remove(column);
        return isLeaf;
    }
}
