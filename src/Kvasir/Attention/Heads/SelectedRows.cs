using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Heads;

/// <summary>Some of the rows of a selection, piece by piece as they are read: ranges first, then listed rows.</summary>
/// <param name="selection">The rows of a round.</param>
/// <param name="places">Which of them: the first and one past the last, counted over ranges and then listed rows.</param>
internal ref struct SelectedRows(KvSelection selection, (int First, int End) places)
{
    private int _range;
    private int _rangeFrom;
    private int _place = places.First;

    /// <summary>Where <see cref="Piece"/> begins in <see cref="KvSelection.Rows"/>; 0 for a range.</summary>
    public int Listed { get; private set; }

    /// <summary>The rows of this piece.</summary>
    public RowSet Piece { get; private set; }

    /// <summary>Where the rows of this piece lie: at their own numbers, but for those that are read from copies.</summary>
    public RowSet Stored { get; set; }

    /// <summary>Goes to the next piece. False when there is none.</summary>
    /// <param name="most">Rows in a piece, at least 1.</param>
    public bool MoveNext(int most)
    {
        while (_range < selection.Ranges.Length)
        {
            var (first, count) = selection.Ranges[_range];
            var (from, end) = (_place - _rangeFrom, Math.Min(count, places.End - _rangeFrom));
            if (from < end)
            {
                var rows = Math.Min(most, end - from);
                Listed = 0;
                Stored = Piece = new RowSet(first + from, rows, following: end - from - rows);
                _place += rows;
                return true;
            }

            _range++;
            _rangeFrom += count;
        }

        var listedFrom = selection.RowCount - selection.Rows.Length;
        var left = places.End - Math.Max(_place, listedFrom);
        if (left <= 0)
            return false;
        Listed = _place - listedFrom;
        Stored = Piece = new RowSet(selection.Rows.Slice(Listed, left), Math.Min(most, left));
        _place += Piece.Count;
        return true;
    }
}
