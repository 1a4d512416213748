using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Marks;

/// <summary>
/// The squares of the weights that each query head gave each row of a prompt, over all rows that were observed or over the last of them: what norms of
/// attention are made of.
/// </summary>
internal sealed class SquaredWeights : IDisposable
{
    private readonly MarkedSums[] _heads;
    private readonly bool _isOfLast;
    private int _rows;
    private int _position = -1;

    /// <param name="isOfLast">Whether the last observed row alone counts.</param>
    public SquaredWeights(HeadPlace place, bool isOfLast)
    {
        _isOfLast = isOfLast;
        _heads = new MarkedSums[place.GroupHeads];
        for (var head = 0; head < _heads.Length; head++)
            _heads[head] = new MarkedSums(place, marks: 0);
    }

    public int HeadCount => _heads.Length;

    public long Bytes
    {
        get
        {
            var bytes = 0L;
            foreach (var head in _heads)
                bytes += head.Bytes;
            return bytes;
        }
    }

    /// <summary>Of one query head and one row.</summary>
    public float this[int head, int row] => _heads[head][row];

    /// <summary>Bytes for so many rows.</summary>
    public static long BytesFor(HeadPlace place, int rows) => place.GroupHeads * MarkedSums.BytesFor(rows, marks: 0);

    public void Append(int firstRow, int rowCount)
    {
        _rows = firstRow + rowCount;
        foreach (var head in _heads)
            head.Append(firstRow, rowCount);
    }

    public void EndPrompt(int rows)
    {
        foreach (var head in _heads)
            head.EndPrompt(rows);
    }

    public void Truncate(int rows)
    {
        (_rows, _position) = (Math.Min(_rows, rows), -1);
        foreach (var head in _heads)
            head.Truncate(rows);
    }

    /// <param name="weights">[group, <paramref name="stride"/>]</param>
    public void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
    {
        for (var head = 0; head < _heads.Length; head++)
        {
            var squares = _heads[head];
            squares.Learn(position + 1);
            // A row may come in pieces.
            if (_isOfLast && position != _position)
                squares.Append(0, _rows);
            for (var i = 0; i < rows.Count; i++)
                squares[rows[i]] += weights[head * stride + i] * weights[head * stride + i];
        }

        _position = position;
    }

    public void Dispose()
    {
        foreach (var head in _heads)
            head.Dispose();
    }
}
