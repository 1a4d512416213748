using System.Numerics;
using Kvasir.Ground;

namespace Kvasir.Attention;

/// <summary>
/// The rows of one round, for a whole query group: ranges and single rows, in the order in which they are to be read. A row that
/// only some heads of the group want is selected for all and taken from the others by <see cref="Selector.Reweight"/>: it is
/// read from memory once either way.
/// </summary>
public sealed class KvSelection
{
    private readonly int[] _rows;
    private readonly (int First, int Count)[] _ranges;
    private float[] _partial = [];
    private int _partialQueries;

    /// <param name="maxRows">The most rows that a round may list; as many ranges fit.</param>
    public KvSelection(int maxRows)
    {
        _rows = new int[maxRows];
        _ranges = new (int, int)[Math.Max(1, Math.Min(maxRows, 4096))];
    }

    /// <summary>Rows listed one by one.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, ListedCount);

    /// <summary>Ranges as (first row, row count).</summary>
    public ReadOnlySpan<(int First, int Count)> Ranges => _ranges.AsSpan(0, RangeCount);

    /// <summary>Rows in all, listed or in ranges.</summary>
    public int RowCount { get; private set; }

    /// <summary>Blocks of rows among them.</summary>
    public int BlockCount { get; private set; }

    /// <summary>Rows that are listed one after another in blocks of so many belong together; 1 where single rows are listed.</summary>
    public int ListUnit { get; private set; } = 1;

    /// <summary>Whether the selector has attended the rows by itself, and <see cref="Partial"/> has what they amount to.</summary>
    public bool HasPartial { get; private set; }

    /// <summary>Whether the selector would have read more, and may not.</summary>
    public bool IsCut { get; private set; }

    /// <summary>The sum over the rows of this round, when there is one already.</summary>
    internal SoftmaxSum Partial => Sum(_partialQueries);

    private int ListedCount { get; set; }

    private int RangeCount { get; set; }

    public void Clear() => (ListedCount, RangeCount, RowCount, BlockCount, ListUnit, HasPartial, IsCut) = (0, 0, 0, 0, 1, false, false);

    /// <summary>Says that the selector stops at the most that it may read, and not for having read enough: for those who report.</summary>
    public void MarkCut() => IsCut = true;

    /// <summary>
    /// Hands back a partial sum: the selector has attended the rows of this round by itself, and leaves here what they amount to. The rows are still to be
    /// listed, for those who count or watch them.
    /// </summary>
    /// <returns>A sum over no rows, to be filled.</returns>
    public SoftmaxSum BeginPartial(in HeadQuery query)
    {
        var queries = query.Queries.Length / query.Head.Dim;
        var floats = queries * (query.Head.ValueDim + 2);
        if (_partial.Length != floats)
            _partial = new float[floats];
        (HasPartial, _partialQueries) = (true, queries);
        var sum = Sum(queries);
        sum.Reset();
        return sum;
    }

    /// <summary>Adds rows [<paramref name="first"/>, <paramref name="first"/> + <paramref name="count"/>); none when the count is 0.</summary>
    /// <param name="blocks">Whole blocks that these rows are.</param>
    public void AddRange(int first, int count, int blocks = 0)
    {
        Invariant.Holds(first >= 0 && count >= 0 && RangeCount < _ranges.Length);
        if (count == 0)
            return;
        _ranges[RangeCount++] = (first, count);
        RowCount += count;
        BlockCount += blocks;
    }

    public void Add(int row)
    {
        Invariant.Holds(row >= 0 && ListedCount < _rows.Length);
        _rows[ListedCount++] = row;
        RowCount++;
    }

    /// <summary>Adds the rows <paramref name="first"/> + i for each bit i that is set.</summary>
    public void AddBits(int first, ulong bits)
    {
        var count = BitOperations.PopCount(bits);
        Invariant.Holds(first >= 0 && ListedCount + count <= _rows.Length);
        var rows = _rows.AsSpan(ListedCount, count);
        for (var i = 0; i < rows.Length; i++, bits &= bits - 1)
            rows[i] = first + BitOperations.TrailingZeroCount(bits);
        ListedCount += count;
        RowCount += count;
    }

    /// <summary>
    /// Lists rows [<paramref name="first"/>, <paramref name="first"/> + <paramref name="count"/>) one by one: a block of so few that a range would not pay.
    /// </summary>
    public void AddBlock(int first, int count)
    {
        Invariant.Holds(first >= 0 && count >= 0 && ListedCount + count <= _rows.Length);
        var rows = _rows.AsSpan(ListedCount, count);
        for (var i = 0; i < rows.Length; i++)
            rows[i] = first + i;
        ListedCount += count;
        RowCount += count;
        BlockCount++;
        ListUnit = Math.Max(ListUnit, count);
    }

    private SoftmaxSum Sum(int queries) => new(_partial.AsSpan(0, queries), _partial.AsSpan(queries, queries), _partial.AsSpan(2 * queries));
}
