namespace Kvasir;

/// <summary>What one step computes: rows of one or more sequences. One instance serves an engine, refilled for every step.</summary>
public sealed class Batch
{
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _logitRows;
    private readonly Segment[] _segments;

    /// <param name="maxRows">Rows that a step may hold, at least 1.</param>
    /// <param name="maxSegments">Sequences that a step may hold, at least 1.</param>
    /// <param name="maxLogitRows">Rows that logits may be asked for.</param>
    public Batch(int maxRows, int maxSegments, int maxLogitRows)
    {
        (_tokens, _positions) = (new int[maxRows], new int[maxRows]);
        (_segments, _logitRows) = (new Segment[maxSegments], new int[maxLogitRows]);
    }

    public int MaxRows => _tokens.Length;

    public int MaxSegments => _segments.Length;

    public int MaxLogitRows => _logitRows.Length;

    public int RowCount { get; private set; }

    public int RowsLeft => _tokens.Length - RowCount;

    /// <summary>[rows]</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, RowCount);

    /// <summary>[rows]</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, RowCount);

    /// <summary>The rows whose logits are wanted, ascending.</summary>
    public ReadOnlySpan<int> LogitRows => _logitRows.AsSpan(0, LogitCount);

    public ReadOnlySpan<Segment> Segments => _segments.AsSpan(0, SegmentCount);

    private int LogitCount { get; set; }

    private int SegmentCount { get; set; }

    public void Clear() => (RowCount, LogitCount, SegmentCount) = (0, 0, 0);

    /// <summary>
    /// Adds the next <paramref name="rowCount"/> uncached tokens of a sequence. Logits are wanted of its last row when that is the
    /// newest token, and of every row when <paramref name="allLogits"/>.
    /// </summary>
    public void Add(Sequence sequence, int rowCount, bool allLogits = false)
    {
        Invariant.Holds(rowCount > 0 && rowCount <= RowsLeft && SegmentCount < _segments.Length);
        var first = sequence.CachedCount;
        _segments[SegmentCount++] = new Segment(sequence, RowCount, rowCount, first, first < sequence.PrefillCount);
        for (var i = 0; i < rowCount; i++)
        {
            if (allLogits || first + i == sequence.TokenCount - 1)
                _logitRows[LogitCount++] = RowCount;
            _tokens[RowCount] = sequence.Tokens[first + i];
            _positions[RowCount++] = first + i;
        }
    }

    /// <summary>Whether nobody waits for this step any more.</summary>
    public bool IsAbandoned
    {
        get
        {
            foreach (var segment in Segments)
            {
                if (!segment.Sequence.IsOver)
                    return false;
            }

            return true;
        }
    }
}
