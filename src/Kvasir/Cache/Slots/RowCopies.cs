using System.Numerics;
using Kvasir.Ground;

namespace Kvasir.Cache.Slots;

/// <summary>
/// Rows of a head that are read one by one in step after step, copied as they are stored out of pages that may leave memory: which rows, and where their copies
/// lie. A full one gives up what was not wanted for longest. One worker at a time.
/// </summary>
internal sealed class RowCopies
{
    private const int PageRows = PagePool.PageTokens;
    private const int None = -1;

    // A row that was left out for so many rounds comes back seldom.
    private const int StaleRounds = 12;
    private nint[] _pages = [];

    // [places]: the row whose copy lies there, and when it was wanted last.
    private int[] _rows = [];
    private int[] _rounds = [];

    // Open addressing by row, at most half full: place + 1, and 0 for none.
    private int[] _table = new int[2];
    private int _round;
    private int _hand;

    /// <summary>Where copies lie, each page with as many rows as any other.</summary>
    public ReadOnlySpan<nint> Pages => _pages;

    /// <summary>Rows that are copied.</summary>
    public int Count { get; private set; }

    /// <summary>Rows before this one are nowhere else: their copies stay until <see cref="DropSpent"/>.</summary>
    public int OnlyBefore { get; set; }

    /// <summary>Makes room for a page's worth of rows.</summary>
    /// <param name="address">Of memory that outlives this.</param>
    public void Add(nint address)
    {
        var first = _rows.Length;
        _pages = [.. _pages, address];
        Array.Resize(ref _rows, first + PageRows);
        Array.Resize(ref _rounds, first + PageRows);
        Array.Fill(_rows, None, first, PageRows);
        _table = new int[BitOperations.RoundUpToPowerOf2((uint)(2 * _rows.Length))];
        for (var place = 0; place < first; place++)
        {
            if (_rows[place] != None)
                Insert(_rows[place], place);
        }
    }

    /// <summary>Says that rows are chosen anew: what is found from now on stays until the next time.</summary>
    public void BeginRound() => _round++;

    /// <summary>Finds the copy of a row.</summary>
    /// <param name="place">Counted over <see cref="Pages"/>.</param>
    public bool TryFind(int row, out int place)
    {
        place = _table[SlotOf(row)] - 1;
        if (place < 0)
            return false;
        _rounds[place] = _round;
        return true;
    }

    /// <summary>A place for the copy of a row that has none. False when all that are there are wanted in this round.</summary>
    public bool TryPlace(int row, out int place)
    {
        place = Free();
        if (place < 0)
            return false;
        Drop(place);
        (_rows[place], _rounds[place]) = (row, _round);
        Insert(row, place);
        Count++;
        return true;
    }

    /// <summary>Forgets rows that are nowhere else and that nobody will read.</summary>
    /// <param name="staysRead">Whether anybody may read a row.</param>
    public void DropSpent(Func<int, bool> staysRead)
    {
        for (var place = 0; place < _rows.Length && Count > 0; place++)
        {
            if (_rows[place] is >= 0 and var row && row < OnlyBefore && !staysRead(row))
                Drop(place);
        }
    }

    /// <summary>Forgets rows from one on.</summary>
    public void Truncate(int rows)
    {
        for (var place = 0; place < _rows.Length && Count > 0; place++)
        {
            if (_rows[place] >= rows)
                Drop(place);
        }
    }

    // Of one turn of the hand the first that is free or stale, else the one that was not wanted for longest; none if all are wanted.
    private int Free()
    {
        var best = None;
        for (var i = 0; i < _rows.Length; i++)
        {
            _hand = _hand + 1 < _rows.Length ? _hand + 1 : 0;
            if (_rows[_hand] == None)
                return _hand;
            if (_rows[_hand] < OnlyBefore)
                continue;
            if (_rounds[_hand] < _round - StaleRounds)
                return _hand;
            if (_rounds[_hand] < _round && (best < 0 || _rounds[_hand] < _rounds[best]))
                best = _hand;
        }

        return best;
    }

    private void Insert(int row, int place) => _table[SlotOf(row)] = place + 1;

    private void Drop(int place)
    {
        if (_rows[place] == None)
            return;
        var (hole, mask) = (SlotOf(_rows[place]), _table.Length - 1);
        // Those behind move up that would not be found past a hole.
        for (var at = (hole + 1) & mask; _table[at] > 0; at = (at + 1) & mask)
        {
            if (((at - FirstSlotOf(_rows[_table[at] - 1])) & mask) < ((at - hole) & mask))
                continue;
            _table[hole] = _table[at];
            hole = at;
        }

        (_table[hole], _rows[place]) = (0, None);
        Count--;
    }

    // Where a row's place stands, or would.
    private int SlotOf(int row)
    {
        var at = FirstSlotOf(row);
        while (_table[at] > 0 && _rows[_table[at] - 1] != row)
            at = (at + 1) & (_table.Length - 1);
        return at;
    }

    private int FirstSlotOf(int row) => (int)((uint)row * 2654435769u >> (32 - BitOperations.Log2((uint)_table.Length)));
}
