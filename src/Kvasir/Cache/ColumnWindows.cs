using Kvasir.Cache.Slots;
using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// Pages of columns that are of layers with a window. Of a chain of columns, those who go on behind it see the last ones alone, so the others may go while
/// their columns stay: whoever leaves the chain there computes the rows anew. They go in the order in which somebody went on so far that he sees them no more;
/// those behind which somebody came to part from others go last.
/// </summary>
/// <param name="places">Which pages heads have their rows in.</param>
internal sealed class ColumnWindows(PagePool pool, KvWindows windows, KvPlaces places)
{
    private readonly int[] _heads = [.. Enumerable.Range(0, places.ListCount).Where(list => windows.Has(places.LayerOf(list)))];
    private PrefixColumn? _oldest;
    private PrefixColumn? _newest;

    // Columns in use whose pages may go; idle columns that have none.
    private int _spareCount;
    private int _bareCount;

    /// <summary>Pages that may go of columns that somebody uses.</summary>
    public long SparePages => (long)_spareCount * _heads.Length;

    /// <summary>Pages that idle columns lack.</summary>
    public long MissingPages => (long)_bareCount * _heads.Length;

    /// <summary>Whether all pages of a column are there.</summary>
    public bool Has(PrefixColumn column) => column.Pages[_heads[0]] != PageTable.Vacant;

    /// <summary>The first of so many columns of which a sequence that goes on behind them sees a row.</summary>
    public int FirstSeen(int columns) => windows.PagesBehind(columns * PagePool.PageTokens);

    /// <summary>Says that somebody goes on behind the columns of a path.</summary>
    public void Pass(PrefixPath path)
    {
        if (FirstSeen(path.Count) is > 0 and var first && path.Columns[first - 1] is { IsSpare: false, Holds: 0 } passed && Has(passed))
            Add(passed);
    }

    /// <summary>Says that somebody is about to go on behind the columns of a path: what he sees stays until he has passed it, or leaves.</summary>
    public void Expect(PrefixPath path)
    {
        foreach (var column in path.Columns[FirstSeen(path.Count)..])
        {
            if (column.IsSpare)
                Remove(column);
        }
    }

    /// <summary>Says that somebody leaves a column, which is in use still: if others had passed it, its pages may go, after all that may by now.</summary>
    public void Leave(PrefixColumn column)
    {
        if (column is { WasPassed: true, IsSpare: false, Holds: 0 } && Has(column))
            Add(column);
    }

    /// <summary>Keeps a column's pages until <see cref="LetGo"/>: somebody reads them who computes nothing.</summary>
    public void Hold(PrefixColumn column)
    {
        if (column.IsSpare)
            Remove(column);
        column.Holds++;
    }

    /// <summary>Ends a <see cref="Hold"/>, while the column is in use.</summary>
    public void LetGo(PrefixColumn column)
    {
        Invariant.Holds(column is { Holds: > 0, IsSpare: false, Users: > 0 });
        if (--column.Holds == 0 && Has(column))
            Add(column);
    }

    /// <summary>Says that a column came into use, or is about to go out of it.</summary>
    /// <param name="change">1 for one that came; -1 for one that goes.</param>
    public void CountUse(PrefixColumn column, int change)
    {
        _spareCount += column.IsSpare ? change : 0;
        _bareCount -= Has(column) ? 0 : change;
    }

    /// <summary>Says that an idle column is no more.</summary>
    public void Forget(PrefixColumn column)
    {
        _bareCount -= Has(column) ? 0 : 1;
        if (column.IsSpare)
            Unlink(column);
        column.WasPassed = false;
    }

    /// <summary>Gives pages back, the oldest first, until so many bytes are free.</summary>
    /// <returns>Bytes that were given back, which may be fewer, or more.</returns>
    public long Drop(long bytes)
    {
        var before = pool.PagesInUse;
        long given = 0;
        while (given < bytes && _oldest is { } column)
        {
            Remove(column);
            foreach (var head in _heads)
            {
                pool.LetGo(column.Pages[head]);
                column.Pages[head] = PageTable.Vacant;
            }

            _bareCount += column.Users > 0 ? 0 : 1;
            given = (long)(before - pool.PagesInUse) * pool.PageBytes;
        }

        return given;
    }

    /// <summary>Checks that counts agree.</summary>
    public void Verify(int idleCount)
    {
        var (all, used) = (0, 0);
        for (var column = _oldest; column is not null; column = column.NewerSpare)
        {
            Invariant.Holds(column.IsSpare && Has(column) && column.Holds == 0);
            (all, used) = (all + 1, used + (column.Users > 0 ? 1 : 0));
        }

        Invariant.Holds(used == _spareCount && all - used + _bareCount <= idleCount && _bareCount >= 0);
    }

    private void Add(PrefixColumn column)
    {
        (column.IsSpare, column.WasPassed, column.OlderSpare) = (true, true, _newest);
        if (_newest is null)
            _oldest = column;
        else
            _newest.NewerSpare = column;
        _newest = column;
        _spareCount += column.Users > 0 ? 1 : 0;
    }

    private void Remove(PrefixColumn column)
    {
        Unlink(column);
        _spareCount -= column.Users > 0 ? 1 : 0;
    }

    private void Unlink(PrefixColumn column)
    {
        var (older, newer) = (column.OlderSpare, column.NewerSpare);
        if (older is null)
            _oldest = newer;
        else
            older.NewerSpare = newer;
        if (newer is null)
            _newest = older;
        else
            newer.OlderSpare = older;
        (column.IsSpare, column.OlderSpare, column.NewerSpare) = (false, null, null);
    }
}
