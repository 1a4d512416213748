using Kvasir.Ground;

namespace Kvasir.Attention.Batches;

/// <summary>What one step computes: rows of one or more sequences. One instance is refilled for every step.</summary>
internal sealed class Batch
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

    /// <summary>Whether nobody waits for this step any more.</summary>
    public bool IsAbandoned
    {
        get
        {
            foreach (var segment in Segments)
            {
                if (!segment.Attention.IsOver)
                    return false;
            }

            return true;
        }
    }

    public void Clear() => (RowCount, LogitCount, SegmentCount) = (0, 0, 0);

    /// <summary>
    /// Adds the next tokens of a sequence: they follow the rows that its cache holds. Rows before its prompt's end are attended as a prompt; behind it, one is
    /// a generated token, and more are such a one and candidates.
    /// </summary>
    /// <param name="tokens">At least one, and of either side of the prompt's end alone; candidates as many as the sequence has marks for.</param>
    /// <param name="logitRows">How many of the last rows logits are wanted of.</param>
    public void Add(SequenceAttention attention, ReadOnlySpan<int> tokens, int logitRows)
    {
        var first = attention.RowCount;
        var kind = first < attention.PromptEnd ? SegmentKind.Prompt : tokens.Length == 1 ? SegmentKind.Decode : SegmentKind.Verify;
        Invariant.Holds(!attention.IsIndexing);
        Invariant.Holds(tokens.Length > 0 && tokens.Length <= RowsLeft && SegmentCount < _segments.Length && logitRows <= tokens.Length);
        Invariant.Holds(kind == SegmentKind.Prompt ? first + tokens.Length <= attention.PromptEnd : tokens.Length - 1 <= attention.TakeBack.Marks);
        _segments[SegmentCount++] = new Segment(attention, RowCount, tokens.Length, first, kind, logitRows);
        tokens.CopyTo(_tokens.AsSpan(RowCount));
        for (var i = 0; i < tokens.Length; i++)
        {
            if (i >= tokens.Length - logitRows)
                _logitRows[LogitCount++] = RowCount;
            _positions[RowCount++] = first + i;
        }
    }
}
