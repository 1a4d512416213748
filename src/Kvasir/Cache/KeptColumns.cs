namespace Kvasir.Cache;

/// <summary>
/// Columns that somebody has asked to be kept for a time: they go after all others, as long as their time lasts. Whoever finds one begins its time anew. No
/// column is kept longer than those before it: marks are of beginnings. Tenants share the bound: what is too much is taken from whoever keeps most, so that
/// one alone may fill it, and gives way to the others down to as much as they have.
/// </summary>
/// <param name="leaves">Those that may go now, whose order depends on what is kept.</param>
internal sealed class KeptColumns(ColumnHeap<LeafOrder> leaves)
{
    private readonly Dictionary<string, ColumnHeap<KeptOrder>> _tenants = new(StringComparer.Ordinal);

    public int Count { get; private set; }

    /// <summary>The most that there may be.</summary>
    public long MostCount { get; set; }

    /// <summary>The time, which only grows.</summary>
    public long NowMs { get; private set; }

    /// <summary>Lets go what has had its time.</summary>
    public void Sweep(long nowMs)
    {
        NowMs = nowMs;
        foreach (var (tenant, columns) in _tenants)
        {
            while (columns.Count > 0 && columns.First.KeptUntilMs <= nowMs)
                Drop(columns.First);
            // What is removed meanwhile does not disturb the walk.
            if (columns.Count == 0)
                _tenants.Remove(tenant);
        }
    }

    /// <summary>
    /// Keeps the first columns of a chain for a tenant, whose they are from now on, and those longer that were kept longer. What is more than may be kept is
    /// taken from the tenant that keeps most, and of its columns from those with the least time left.
    /// </summary>
    public void Keep(ReadOnlySpan<PrefixColumn> columns, long ms, string tenant)
    {
        if (!_tenants.TryGetValue(tenant, out var own))
            _tenants[tenant] = own = new ColumnHeap<KeptOrder>();
        own.Reserve(own.Count + columns.Length);
        foreach (var column in columns)
            Set(column, own, Math.Max(ms, column.IsKept ? column.KeptForMs : 0), Math.Max(NowMs + ms, column.IsKept ? column.KeptUntilMs : 0));
        while (Count > MostCount)
            Drop(Largest(own).First);
    }

    /// <summary>Somebody has found the column.</summary>
    public void Renew(PrefixColumn column)
    {
        if (column.KeptIn is { } tenant)
            Set(column, tenant, column.KeptForMs, NowMs + column.KeptForMs);
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

    // Of those that have as many the one that asks: nobody loses to an equal.
    private ColumnHeap<KeptOrder> Largest(ColumnHeap<KeptOrder> asking)
    {
        var largest = asking;
        foreach (var (_, columns) in _tenants)
            largest = columns.Count > largest.Count ? columns : largest;
        return largest;
    }

    private void Set(PrefixColumn column, ColumnHeap<KeptOrder> tenant, long forMs, long untilMs)
    {
        var isLeaf = TakeOut(column);
        (column.KeptForMs, column.KeptUntilMs, column.KeptIn) = (forMs, untilMs, tenant);
        tenant.Add(column);
        Count++;
        if (isLeaf)
            leaves.Add(column);
    }

    // Of both orders, for what it is known by in them is about to change.
    private bool TakeOut(PrefixColumn column)
    {
        var isLeaf = column.LeafPlace >= 0;
        if (isLeaf)
            leaves.Remove(column);
        if (column.KeptIn is not { } tenant)
            return isLeaf;
        tenant.Remove(column);
        column.KeptIn = null;
        Count--;
        return isLeaf;
    }
}
