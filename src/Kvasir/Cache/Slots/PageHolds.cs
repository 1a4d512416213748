using Kvasir.Ground;

namespace Kvasir.Cache.Slots;

/// <summary>
/// Which pages may not leave memory between steps, since who has them computes: counted, as several may share a page. Changed between steps; threads that read
/// and write pages may look at any time, and see what was so a moment ago.
/// </summary>
/// <param name="pageCount">The most pages that there will be.</param>
internal sealed class PageHolds(int pageCount)
{
    private ushort[] _holds = [];

    /// <summary>Pages that somebody holds.</summary>
    public int Count { get; private set; }

    public bool Has(int page) => page < _holds.Length && _holds[page] > 0;

    public void Hold(int page)
    {
        if (page >= _holds.Length)
            Array.Resize(ref _holds, (int)Math.Min(pageCount, Math.Max(2L * _holds.Length, page + 1024L)));
        Count += _holds[page]++ == 0 ? 1 : 0;
    }

    public void Let(int page)
    {
        Invariant.Holds(Has(page));
        Count -= --_holds[page] == 0 ? 1 : 0;
    }
}
