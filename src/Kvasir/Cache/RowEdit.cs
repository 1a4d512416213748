using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// What is to become of the rows of one head: which are dropped, and which of those are merged into others. It is an answer: whoever gives it changes
/// nothing, and the engine acts upon it between steps. Rows that nobody mentions stay. Rows are numbered as they were before.
/// </summary>
public sealed class RowEdit
{
    private (int First, int Count)[] _drops = [];
    private (int Row, int Target, float Share)[] _merges = [];
    private float[] _floats = [];
    private int[] _numbers = [];
    private int[] _elements = [];
    private int _dropCount;
    private int _mergeCount;

    internal RowEdit()
    {
    }

    /// <summary>Rows of the head before the edit.</summary>
    public int RowCount { get; private set; }

    /// <summary>Rows that go, those among them that are merged into others.</summary>
    public int DroppedCount { get; private set; }

    /// <summary>The rows that go, in ascending order, as (first, count): no two of these touch.</summary>
    public ReadOnlySpan<(int First, int Count)> Drops => _drops.AsSpan(0, _dropCount);

    /// <summary>Rows that go into others, and with which share of the result: in (0, 1).</summary>
    public ReadOnlySpan<(int Row, int Target, float Share)> Merges => _merges.AsSpan(0, _mergeCount);

    /// <summary>Rows from the first on whose keys become narrower: whole pages; 0 for none.</summary>
    public int NarrowedCount { get; private set; }

    /// <summary>The elements of their keys that stay, in ascending order.</summary>
    public ReadOnlySpan<int> KeyElements => _elements;

    /// <summary>Ranges of rows that stay, as <see cref="Kept"/> gives them: one more than <see cref="Drops"/>, and the outer ones may be empty.</summary>
    public int KeptRangeCount => _dropCount + 1;

    /// <summary>
    /// Drops rows [<paramref name="first"/>, <paramref name="first"/> + <paramref name="count"/>), which lie behind all that are dropped already.
    /// </summary>
    public void Drop(int first, int count)
    {
        var end = _dropCount == 0 ? 0 : _drops[_dropCount - 1].First + _drops[_dropCount - 1].Count;
        Invariant.Holds(first >= end && count >= 0 && first + count <= RowCount);
        if (count == 0)
            return;
        DroppedCount += count;
        if (_dropCount > 0 && first == end)
        {
            _drops[_dropCount - 1].Count += count;
            return;
        }

        Reserve(ref _drops, _dropCount + 1);
        _drops[_dropCount++] = (first, count);
    }

    /// <summary>Drops all but the listed rows, which ascend. Instead of <see cref="Drop"/>.</summary>
    public void KeepOnly(ReadOnlySpan<int> rows)
    {
        var end = 0;
        foreach (var row in rows)
        {
            Drop(end, row - end);
            end = row + 1;
        }

        Drop(end, RowCount - end);
    }

    /// <summary>
    /// Has a row that is dropped live on in one that stays: the target's key and value become their mean, and its log-weight that of both together, as if its
    /// score stood for both.
    /// </summary>
    /// <param name="share">Of the merged row in the mean: above 0 and below 1.</param>
    public void Merge(int row, int target, float share)
    {
        Invariant.Holds((uint)row < (uint)RowCount && (uint)target < (uint)RowCount && row != target && share > 0 && share < 1);
        Reserve(ref _merges, _mergeCount + 1);
        _merges[_mergeCount++] = (row, target, share);
    }

    /// <summary>
    /// Has the keys of the first rows lose all elements but some. Instead of dropping rows, and once in a head's life; where memory is short the keys of fewer
    /// rows do.
    /// </summary>
    /// <param name="elements">In ascending order; fewer than a key has.</param>
    /// <param name="rowCount">As many of these rows as make whole pages.</param>
    public void NarrowKeys(ReadOnlySpan<int> elements, int rowCount)
    {
        Invariant.Holds(_dropCount == 0 && elements.Length > 0 && rowCount <= RowCount);
        (_elements, NarrowedCount) = (elements.ToArray(), rowCount / PagePool.PageTokens * PagePool.PageTokens);
    }

    /// <summary>The <paramref name="index"/>-th range of rows that stay, in ascending order.</summary>
    public (int First, int Count) Kept(int index)
    {
        var first = index == 0 ? 0 : _drops[index - 1].First + _drops[index - 1].Count;
        return (first, (index == _dropCount ? RowCount : _drops[index].First) - first);
    }

    /// <summary>Whether a row stays.</summary>
    public bool Keeps(int row)
    {
        var (low, high) = (0, _dropCount);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_drops[middle].First <= row)
                low = middle + 1;
            else
                high = middle;
        }

        return low == 0 || row >= _drops[low - 1].First + _drops[low - 1].Count;
    }

    /// <summary>Rows that stay of the first so many.</summary>
    public int KeptBefore(int row)
    {
        var kept = row;
        foreach (var (first, count) in Drops)
            kept -= Math.Clamp(row - first, 0, count);
        return kept;
    }

    /// <summary>Makes room for so many gaps: until there are more, edits allocate nothing.</summary>
    internal void Prepare(int drops) => Reserve(ref _drops, drops);

    /// <summary>Begins a new one, in which all rows stay.</summary>
    internal void Begin(int rowCount) => (RowCount, DroppedCount, NarrowedCount, _dropCount, _mergeCount) = (rowCount, 0, 0, 0, 0);

    /// <summary>Leaves only whole pages to be dropped, and of the last one what there is: nothing moves then but page numbers.</summary>
    internal void NarrowToPages(int pageRows)
    {
        var count = _dropCount;
        (_dropCount, DroppedCount) = (0, 0);
        for (var i = 0; i < count; i++)
        {
            var (first, end) = InPages(_drops[i], pageRows);
            if (first >= end)
                continue;
            _drops[_dropCount++] = (first, end - first);
            DroppedCount += end - first;
        }
    }

    /// <summary>Rows that <see cref="NarrowToPages"/> would leave to be dropped.</summary>
    internal int DroppedInPages(int pageRows)
    {
        var dropped = 0;
        foreach (var drop in Drops)
        {
            var (first, end) = InPages(drop, pageRows);
            dropped += Math.Max(0, end - first);
        }

        return dropped;
    }

    /// <summary>Memory that whoever answers may use meanwhile; what it holds is not defined.</summary>
    public Span<float> Floats(int count)
    {
        if (_floats.Length < count)
            _floats = new float[count];
        return _floats.AsSpan(0, count);
    }

    /// <summary>The same for whole numbers, beside the floats.</summary>
    public Span<int> Whole(int count)
    {
        if (_numbers.Length < count)
            _numbers = new int[count];
        return _numbers.AsSpan(0, count);
    }

    /// <summary>Lets everything stay after all.</summary>
    internal void Refuse() => Begin(RowCount);

    private (int First, int End) InPages((int First, int Count) drop, int pageRows)
    {
        var end = drop.First + drop.Count;
        return ((drop.First + pageRows - 1) / pageRows * pageRows, end == RowCount ? end : end / pageRows * pageRows);
    }

    private static void Reserve<T>(ref T[] items, int count)
    {
        if (count > items.Length)
            Array.Resize(ref items, Math.Max(count, Math.Max(16, 2 * items.Length)));
    }
}
