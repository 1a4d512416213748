using Kvasir.Cache;
using Kvasir.Ground;

namespace Kvasir.Attention.Marks;

/// <summary>
/// Which numbers of rows may be come back to: the newest so many that were marked, each with a slot for what a selector knew then. Says what becomes of that
/// when rows are taken back.
/// </summary>
/// <param name="most">Marks at a time.</param>
internal sealed class MarkedRows(int most)
{
    /// <summary>Nothing was learnt from the rows that are taken back.</summary>
    public const int Unchanged = -1;

    /// <summary>Rows are taken back into the prompt, whose end teaches everything again.</summary>
    public const int Anew = -2;

    private readonly int[] _rows = new int[most];
    private int _newest;
    private int _count;
    private int _learntRows;
    private int _promptRows;

    /// <summary>Something was learnt when so many rows were in sight.</summary>
    public void Learn(int rows) => _learntRows = Math.Max(_learntRows, rows);

    public void EndPrompt(int rows) => _promptRows = rows;

    /// <summary>Follows rows that were numbered anew; none are marked.</summary>
    public void Edited(RowEdit edit)
    {
        Invariant.Holds(_count == 0);
        (_learntRows, _promptRows) = (edit.KeptBefore(_learntRows), edit.KeptBefore(_promptRows));
    }

    /// <summary>Marks a number of rows, not below the last; of too many the oldest gives way.</summary>
    /// <returns>The slot, from 0, in which what is known now is to be kept.</returns>
    public int Add(int rows)
    {
        Invariant.Holds(most > 0 && rows >= _learntRows && (_count == 0 || rows >= _rows[_newest]));
        if (_count == 0 || rows > _rows[_newest])
            (_newest, _count) = ((_newest + 1) % most, Math.Min(_count + 1, most));
        _rows[_newest] = rows;
        return _newest;
    }

    /// <summary>Takes back all rows but the first <paramref name="rows"/>.</summary>
    /// <returns>The slot of what was known then, or <see cref="Unchanged"/>, or <see cref="Anew"/>.</returns>
    public int Truncate(int rows)
    {
        for (; _count > 0 && _rows[_newest] > rows; _count--)
            _newest = (_newest + most - 1) % most;
        if (rows >= _learntRows)
            return Unchanged;
        _learntRows = rows;
        if (rows < _promptRows || _promptRows == 0)
        {
            (_learntRows, _promptRows) = (0, 0);
            return Anew;
        }

        Invariant.Holds(_count > 0 && _rows[_newest] == rows);
        return _newest;
    }
}
