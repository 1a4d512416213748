using Kvasir.Kernels.Attention;

namespace Kvasir.Cache;

/// <summary>
/// The rows of one (sequence, layer, KV head): a list of pages and a row count. Heads are independent of each other, so a later
/// policy may keep different rows in each.
/// </summary>
public sealed class KvHead
{
    private readonly PagePool _pool;
    private readonly int[] _pages;
    private readonly nint[] _addresses;
    private readonly OpenPage? _openKeys;
    private readonly OpenPage? _openValues;
    private int _pageCount;

    internal KvHead(PagePool pool, int maxRows)
        : this(pool, new int[PagesFor(maxRows)], new nint[PagesFor(maxRows)])
    {
        _openKeys = OpenPage.For(pool.Type, pool.HeadDim, PagePool.PageTokens, values: false);
        _openValues = OpenPage.For(pool.Type, pool.HeadDim, PagePool.PageTokens, values: true);
    }

    private KvHead(PagePool pool, int[] pages, nint[] addresses) => (_pool, _pages, _addresses) = (pool, pages, addresses);

    /// <summary>Rows written so far.</summary>
    public int RowCount { get; private set; }

    public KvType Type => _pool.Type;

    public int Dim => _pool.HeadDim;

    /// <summary>Bytes of pages that this head holds.</summary>
    public long Bytes => (long)_pageCount * _pool.PageBytes;

    /// <summary>The keys of rows [0, <see cref="RowCount"/>).</summary>
    public PagedRows Keys => PagedRows.Keys(_addresses.AsSpan(0, _pageCount), PagePool.PageTokens, Type, Dim);

    /// <summary>The values of rows [0, <see cref="RowCount"/>).</summary>
    public PagedRows Values => PagedRows.Values(_addresses.AsSpan(0, _pageCount), PagePool.PageTokens, Type, Dim);

    /// <summary>The pages of rows [0, <see cref="RowCount"/>), and those that are reserved behind them.</summary>
    internal ReadOnlySpan<int> Pages => _pages.AsSpan(0, _pageCount);

    // A page that others read too is copied before it is written to.
    private bool CopiesOnWrite => RowCount / PagePool.PageTokens is var page && page < _pageCount && _pool.IsShared(_pages[page]);

    internal static int PagesFor(int rows) => (rows + PagePool.PageTokens - 1) / PagePool.PageTokens;

    /// <summary>Pages that growing to <paramref name="rows"/> rows would take from the pool.</summary>
    internal int PagesMissing(int rows) => Math.Max(0, PagesFor(rows) - _pageCount) + (rows > RowCount && CopiesOnWrite ? 1 : 0);

    /// <summary>
    /// Takes the pages that rows up to <paramref name="rows"/> need, one of them for a copy if the next row's is shared. False when the pool is short: then the
    /// head has no more pages than before.
    /// </summary>
    internal bool TryReserve(int rows)
    {
        var wanted = PagesFor(rows);
        Invariant.Holds(wanted <= _pages.Length);
        if (rows > RowCount && CopiesOnWrite && !TryCopyForWriting())
            return false;
        var before = _pageCount;
        while (_pageCount < wanted)
        {
            if (!_pool.TryTake(out var page))
            {
                ReturnFrom(before);
                return false;
            }

            _pages[_pageCount] = page;
            _addresses[_pageCount++] = _pool.Address(page);
        }

        return true;
    }

    /// <summary>Writes the next row; its page must have been reserved. <paramref name="key"/> and <paramref name="value"/> are [dim].</summary>
    internal void Append(ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        Invariant.Holds(RowCount / PagePool.PageTokens < _pageCount && !CopiesOnWrite);
        Store(_openKeys, key, Keys);
        Store(_openValues, value, Values);
        RowCount++;
    }

    /// <summary>The first rows as a head of their own, over the same pages: to be read only, and while this one keeps them.</summary>
    internal KvHead First(int rowCount)
    {
        Invariant.Holds(rowCount <= RowCount);
        return new KvHead(_pool, _pages, _addresses) { RowCount = rowCount, _pageCount = PagesFor(rowCount) };
    }

    /// <summary>Begins with rows that others have, by reference; this one is empty.</summary>
    /// <param name="pages">Of those rows; each gets an owner more.</param>
    internal void Adopt(ReadOnlySpan<int> pages, int rowCount)
    {
        Invariant.Holds(_pageCount == 0 && pages.Length == PagesFor(rowCount) && pages.Length <= _pages.Length);
        foreach (var page in pages)
        {
            _pool.Share(page);
            _pages[_pageCount] = page;
            _addresses[_pageCount++] = _pool.Address(page);
        }

        RowCount = rowCount;
    }

    /// <summary>Takes over the rows of another head of the same shape; this one is empty and has reserved as many.</summary>
    internal void CopyRows(KvHead source)
    {
        Invariant.Holds(RowCount == 0 && PagesFor(source.RowCount) <= _pageCount);
        for (var page = 0; page < PagesFor(source.RowCount); page++)
            source._pool.Bytes(source._pages[page], 0, _pool.PageBytes).CopyTo(_pool.Bytes(_pages[page], 0, _pool.PageBytes));
        RowCount = source.RowCount;
    }

    /// <summary>Forgets rows from <paramref name="rows"/> on, and returns the pages that only they used or had reserved.</summary>
    internal void Truncate(int rows)
    {
        Invariant.Holds(rows >= 0);
        if (rows < RowCount)
        {
            RowCount = rows;
            _openKeys?.Forget();
            _openValues?.Forget();
        }

        ReturnFrom(PagesFor(rows));
    }

    private bool TryCopyForWriting()
    {
        if (!_pool.TryTake(out var copy))
            return false;
        ref var page = ref _pages[RowCount / PagePool.PageTokens];
        _pool.Bytes(page, 0, _pool.PageBytes).CopyTo(_pool.Bytes(copy, 0, _pool.PageBytes));
        _pool.Return(page);
        (page, _addresses[RowCount / PagePool.PageTokens]) = (copy, _pool.Address(copy));
        return true;
    }

    private void Store(OpenPage? open, ReadOnlySpan<float> row, PagedRows rows)
    {
        if (open is null)
            rows.Encode(RowCount, row);
        else
            open.Append(row, RowCount % PagePool.PageTokens, _pool.Bytes(_pages[RowCount / PagePool.PageTokens], 0, _pool.PageBytes));
    }

    private void ReturnFrom(int pageCount)
    {
        while (_pageCount > pageCount)
            _pool.Return(_pages[--_pageCount]);
    }
}
