using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// The first rows of a sequence, kept by reference for others that begin with the same tokens: their pages are in memory once, and stay as long as anybody has
/// them. Nobody writes to a page that is shared: whoever goes on in one takes a copy first.
/// </summary>
internal sealed class SharedRows
{
    // [heads, pages]
    private readonly int[] _pages;
    private readonly int _headPages;

    /// <param name="heads">Of one sequence, all with as many rows.</param>
    public SharedRows(PagePool pool, ReadOnlySpan<KvHead> heads, int rowCount)
    {
        (Pool, RowCount, _headPages) = (pool, rowCount, KvHead.PagesFor(rowCount));
        _pages = new int[heads.Length * _headPages];
        for (var i = 0; i < heads.Length; i++)
        {
            Invariant.Holds(heads[i].IsWhole && rowCount <= heads[i].RowCount);
            heads[i].Pages[.._headPages].CopyTo(_pages.AsSpan(i * _headPages));
        }

        foreach (var page in _pages)
            pool.Share(page);
    }

    /// <summary>Told when the rows are kept no longer.</summary>
    public event Action<SharedRows>? Released;

    public PagePool Pool { get; }

    public int RowCount { get; private set; }

    /// <summary>Of one head, in the order of a sequence's.</summary>
    public ReadOnlySpan<int> Pages(int head) => _pages.AsSpan(head * _headPages, _headPages);

    /// <summary>Gives up its part in the pages; those of sequences that use them stay.</summary>
    public void Release()
    {
        if (RowCount == 0)
            return;
        RowCount = 0;
        foreach (var page in _pages)
            Pool.Return(page);
        Released?.Invoke(this);
    }
}
