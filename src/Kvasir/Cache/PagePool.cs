using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Cache;

/// <summary>
/// The bounded memory of the KV cache, handed out by page. A page holds <see cref="PageTokens"/> rows of keys and as many rows
/// of values, of one (sequence, layer, KV head), and what they share. Memory is taken from the budget and the system slab by slab as pages are
/// asked for, so that nothing is reserved for a window that is never filled; slabs whose pages have all come back are given back by <see cref="Trim"/>.
/// Any thread may take, share and return pages, while no other asks for figures.
/// </summary>
public sealed class PagePool : IDisposable
{
    /// <summary>Rows in a page. 32 rows of 64 to 128 bf16 values are 4 to 8 KiB of contiguous keys: one or two small memory pages.</summary>
    public const int PageTokens = 32;

    private const int SlabTargetBytes = 4 << 20;

    // Small memory comes in small slabs: what lies free in one is of no use to an index.
    private const int FewestSlabs = 32;
    private readonly Lock _gate = new();
    private readonly MemoryBudget _memory;
    private readonly NativeArena _arena;
    private readonly int _slabPages;
    private readonly int[] _free;

    // [pages]: how many heads read a page, or have it to write to; 0 for a free one.
    private readonly int[] _owners;

    // [pages]: whether the prefix cache is one of them.
    private readonly bool[] _isKept;

    // [slabs]: pages in use.
    private readonly int[] _slabUse;
    private int _freeCount;
    private int _pageCount;
    private int _emptySlabs;
    private int _filledHoles;

    /// <param name="format">How rows are stored.</param>
    /// <param name="headDim">Elements of a key, and of a value: at least 1.</param>
    /// <param name="limitBytes">The memory that pages may take in all; at least one page.</param>
    /// <exception cref="KvasirException">The limit is smaller than one page.</exception>
    public PagePool(KvFormat format, int headDim, long limitBytes)
        : this(format.Page(headDim, PageTokens), new MemoryBudget(limitBytes))
    {
    }

    /// <param name="layout">Where rows lie in a page of <see cref="PageTokens"/>.</param>
    /// <param name="memory">What slabs are counted in.</param>
    /// <param name="slabs">Where they come from; null for the system's memory.</param>
    /// <exception cref="KvasirException">The limit is smaller than one page.</exception>
    public PagePool(PageLayout layout, MemoryBudget memory, SlabSource? slabs = null)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentOutOfRangeException.ThrowIfNotEqual(layout.PageTokens, PageTokens, nameof(layout));
        ArgumentNullException.ThrowIfNull(memory);
        var limitBytes = memory.LimitBytes;
        _memory = memory;
        Layout = layout;
        if (limitBytes < PageBytes)
            throw new KvasirException(
                KvasirError.KvMemoryExceeded, $"the KV memory of {MessageText.Count(limitBytes, "byte")} is less than one page of {PageBytes} bytes");
        PageLimit = (int)Math.Min(limitBytes / PageBytes, int.MaxValue / 2);
        _slabPages = Math.Clamp((int)Math.Min(SlabTargetBytes, limitBytes / FewestSlabs) / PageBytes, 1, PageLimit);
        // The last slab may be cut short: the limit counts pages, not slabs.
        _slabUse = new int[(PageLimit + _slabPages - 1) / _slabPages];
        _arena = new NativeArena(_slabUse.Length, slabs ?? SlabSource.System);
        _free = new int[PageLimit];
        _owners = new int[PageLimit];
        _isKept = new bool[PageLimit];
    }

    /// <summary>Where rows lie in a page.</summary>
    public PageLayout Layout { get; }

    /// <summary>Bytes of a page.</summary>
    public int PageBytes => Layout.Bytes;

    /// <summary>The most pages that can be in use at once.</summary>
    public int PageLimit { get; }

    /// <summary>Pages handed out and not yet returned, each counted once however many share it.</summary>
    public int PagesInUse { get; private set; }

    /// <summary>Owners of all pages together: <see cref="PagesInUse"/>, and one more for each time that a page was shared.</summary>
    public long OwnerCount { get; private set; }

    /// <summary>Pages that can still be taken under the limit.</summary>
    public int PagesLeft => _freeCount + PagesWithin(_memory.LeftBytes);

    /// <summary>Bytes taken from the system, in use or free.</summary>
    public long ResidentBytes => _arena.Bytes;

    /// <summary>Bytes of a slab: by so much pages grow.</summary>
    public long SlabBytes => (long)_slabPages * PageBytes;

    /// <summary>What slabs are taken from.</summary>
    internal MemoryBudget Memory => _memory;

    /// <summary>What has pages that nobody computes with, and gives them back when memory is short; null for nothing.</summary>
    internal PrefixCache? Prefixes { get; set; }

    /// <summary>Bytes that lie free in slabs of which others are in use.</summary>
    internal long HoleBytes => (long)(_freeCount - (_emptySlabs * _slabPages)) * PageBytes;

    /// <summary>Hands out a page. False when the limit is reached or the system has no memory: the scheduler preempts someone.</summary>
    public bool TryTake(out int page)
    {
        using var gate = _gate.EnterScope();
        if (_freeCount == 0 && !TryGrow())
        {
            page = -1;
            return false;
        }

        page = _free[--_freeCount];
        Invariant.Holds(_owners[page] == 0);
        _owners[page] = 1;
        _emptySlabs -= _slabUse[page / _slabPages]++ == 0 ? 1 : 0;
        (PagesInUse, OwnerCount) = (PagesInUse + 1, OwnerCount + 1);
        return true;
    }

    /// <summary>Adds an owner to a page in use: each returns it, and nobody writes to it until only one is left.</summary>
    public void Share(int page)
    {
        using var gate = _gate.EnterScope();
        Invariant.Holds((uint)page < (uint)PageLimit && _owners[page] > 0);
        _owners[page]++;
        OwnerCount++;
    }

    /// <summary>Whether a page has more than one owner.</summary>
    public bool IsShared(int page) => _owners[page] > 1;

    /// <summary>Whether somebody else computes with a page too: the prefix cache does not.</summary>
    internal bool HasOtherUsers(int page) => _owners[page] > (_isKept[page] ? 2 : 1);

    /// <summary>As <see cref="Share"/>, for the prefix cache.</summary>
    internal void Keep(int page)
    {
        Share(page);
        Invariant.Holds(!_isKept[page]);
        _isKept[page] = true;
    }

    /// <summary>As <see cref="Return"/>, for the prefix cache.</summary>
    internal void LetGo(int page)
    {
        Invariant.Holds(_isKept[page]);
        _isKept[page] = false;
        Return(page);
    }

    /// <summary>Takes one owner from a page; the last one's is free.</summary>
    public void Return(int page)
    {
        using var gate = _gate.EnterScope();
        Invariant.Holds((uint)page < (uint)PageLimit && _owners[page] > 0);
        OwnerCount--;
        if (--_owners[page] > 0)
            return;
        _emptySlabs += --_slabUse[page / _slabPages] == 0 ? 1 : 0;
        PagesInUse--;
        _free[_freeCount++] = page;
    }

    /// <summary>Where a page begins: a multiple of 64 bytes.</summary>
    internal nint Address(int page) => _arena.Address(page / _slabPages, page % _slabPages * PageBytes);

    /// <summary>A part of a page, for writing it.</summary>
    internal Span<byte> Bytes(int page, int offset, int length) => _arena.Span(page / _slabPages, (page % _slabPages * PageBytes) + offset, length);

    /// <summary>Whether so many pages, and so much memory beside them, can be taken now. What nobody computes with makes room, if that is enough.</summary>
    internal bool HasRoom(long pages, long besideBytes)
    {
        while (!IsRoom(pages, besideBytes) && Prefixes?.TryEvict(PagesShort(pages, besideBytes) * PageBytes) == true)
        {
        }

        var bytes = GrowthBytes(pages) + besideBytes;
        return pages - _freeCount <= PageLimit - _pageCount && (bytes == 0 || _memory.HasRoom(bytes));
    }

    /// <summary>Takes memory that is no page from the budget; empty slabs are given back for it. False, with nothing taken, when it is short.</summary>
    internal bool TryTakeBeside(MemoryUse use, long bytes) => bytes == 0 || _memory.TryTake(use, bytes) || (TryMakeRoom(bytes) && _memory.TryTake(use, bytes));

    /// <summary>Gives slabs without pages in use back to the system and the budget. False when there is none.</summary>
    internal bool Trim()
    {
        if (_emptySlabs == 0)
            return false;
        var kept = 0;
        for (var i = 0; i < _freeCount; i++)
        {
            if (_slabUse[_free[i] / _slabPages] > 0)
                _free[kept++] = _free[i];
        }

        (_freeCount, _emptySlabs) = (kept, 0);
        for (var slab = 0; slab < _slabUse.Length; slab++)
        {
            if (_slabUse[slab] > 0 || !_arena.Has(slab))
                continue;
            _arena.Drop(slab);
            _pageCount -= PagesIn(slab);
            _memory.Give(MemoryUse.Pages, (long)PagesIn(slab) * PageBytes);
        }

        return true;
    }

    /// <summary>
    /// Before pages are moved together, so that the last slabs become empty: until <see cref="EndGather"/> pages are neither taken nor returned.
    /// </summary>
    internal void BeginGather()
    {
        _free.AsSpan(0, _freeCount).Sort();
        _filledHoles = 0;
    }

    /// <summary>
    /// Moves a page that has one owner into the first free page, if that lies in a slab which pages in use can fill, and this page behind such slabs.
    /// </summary>
    internal bool TryGather(ref int page)
    {
        // As many slabs as would hold all pages in use.
        var end = (PagesInUse + _slabPages - 1) / _slabPages * _slabPages;
        if (page < end || IsShared(page) || _filledHoles == _freeCount || _free[_filledHoles] >= end)
            return false;
        var hole = _free[_filledHoles];
        Bytes(page, 0, PageBytes).CopyTo(Bytes(hole, 0, PageBytes));
        (_owners[hole], _owners[page]) = (1, 0);
        _emptySlabs -= _slabUse[hole / _slabPages]++ == 0 ? 1 : 0;
        _emptySlabs += --_slabUse[page / _slabPages] == 0 ? 1 : 0;
        _free[_filledHoles++] = page;
        page = hole;
        return true;
    }

    /// <summary>Free pages come out in ascending addresses again.</summary>
    internal void EndGather()
    {
        _free.AsSpan(0, _freeCount).Sort();
        _free.AsSpan(0, _freeCount).Reverse();
    }

    /// <summary>Checks that every page is either free exactly once or has owners, and that the counts agree, the budget's too.</summary>
    public void Verify()
    {
        var isFree = new bool[PageLimit];
        foreach (var page in _free.AsSpan(0, _freeCount))
        {
            Invariant.Holds(!isFree[page] && _owners[page] == 0 && !_isKept[page] && _arena.Has(page / _slabPages));
            isFree[page] = true;
        }

        var (takenCount, ownerCount, pageCount, emptySlabs) = (0, 0L, 0, 0);
        for (var slab = 0; slab < _slabUse.Length; slab++)
        {
            var owners = _owners.AsSpan(slab * _slabPages, PagesIn(slab));
            if (!_arena.Has(slab))
            {
                Invariant.Holds(_slabUse[slab] == 0 && !owners.ContainsAnyExcept(0));
                continue;
            }

            var inUse = 0;
            for (var i = 0; i < owners.Length; i++)
            {
                Invariant.Holds(isFree[(slab * _slabPages) + i] == (owners[i] == 0));
                inUse += owners[i] > 0 ? 1 : 0;
                ownerCount += owners[i];
            }

            Invariant.Holds(inUse == _slabUse[slab]);
            takenCount += inUse;
            pageCount += owners.Length;
            emptySlabs += inUse == 0 ? 1 : 0;
        }

        Invariant.Holds(takenCount == PagesInUse && ownerCount == OwnerCount && pageCount == _pageCount && emptySlabs == _emptySlabs);
        Invariant.Holds(ResidentBytes == (long)pageCount * PageBytes && ResidentBytes <= _memory.Figures.PageBytes);
    }

    /// <summary>Frees all pages, whoever has them.</summary>
    public void Dispose() => _arena.Dispose();

    private bool TryMakeRoom(long bytes) => (Trim() || Prefixes is { FreeableBytes: > 0 }) && HasRoom(0, bytes);

    private bool IsRoom(long pages, long besideBytes)
    {
        if (besideBytes > 0 && GrowthBytes(pages) + besideBytes > _memory.LeftBytes)
            Trim();
        return pages - _freeCount <= PageLimit - _pageCount && GrowthBytes(pages) + besideBytes <= _memory.LeftBytes;
    }

    // At least one; what lies free between pages in use is of no use to others.
    private long PagesShort(long pages, long besideBytes)
    {
        var (wanted, left) = ((pages * PageBytes) + besideBytes, ((long)_freeCount * PageBytes) + _memory.LeftBytes);
        return Math.Max(1, Math.Max((wanted - left + PageBytes - 1) / PageBytes, pages - _freeCount - (PageLimit - _pageCount)));
    }

    private int PagesIn(int slab) => Math.Min(_slabPages, PageLimit - (slab * _slabPages));

    // Whole slabs, or all that there may be.
    private int PagesWithin(long bytes)
    {
        var most = PageLimit - _pageCount;
        return bytes / PageBytes >= most ? most : (int)(bytes / SlabBytes) * _slabPages;
    }

    private long GrowthBytes(long pages)
    {
        var slabs = (Math.Max(0, pages - _freeCount) + _slabPages - 1) / _slabPages;
        return Math.Min(slabs * SlabBytes, (long)(PageLimit - _pageCount) * PageBytes);
    }

    private bool TryGrow()
    {
        var slab = _arena.FirstFree;
        if (slab < 0)
            return false;
        var added = PagesIn(slab);
        if (!_memory.TryTake(MemoryUse.Pages, (long)added * PageBytes))
            return false;
        if (!_arena.TryAdd(slab, added * PageBytes))
        {
            _memory.Give(MemoryUse.Pages, (long)added * PageBytes);
            _memory.MarkWanted();
            return false;
        }

        // Pushed in descending order, so that pages come out in ascending addresses and a sequence streams.
        for (var i = added - 1; i >= 0; i--)
            _free[_freeCount++] = (slab * _slabPages) + i;
        _pageCount += added;
        _emptySlabs++;
        return true;
    }
}
