using Kvasir.Cache.Slots;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

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

    /// <summary>The most bytes of a slab, whatever the limit.</summary>
    public const long MostSlabBytes = SlotMemory.SlabTargetBytes;

    private readonly Lock _gate = new();
    private readonly MemoryBudget _memory;
    private readonly SlotMemory _slots;
    private readonly SlabSource? _slabs;

    // By the elements of their keys.
    private readonly Dictionary<int, PagePool> _narrow = [];

    // Numbers of pages that were returned; where pages have no file, the memory knows them.
    private readonly int[] _returned = [];

    // [pages]: how many heads read a page, or have it to write to; 0 for a free one.
    private readonly int[] _owners;

    // [pages]: whether the prefix cache is one of them.
    private readonly bool[] _isKept;
    private int _returnedCount;
    private int _numberedCount;

    /// <param name="format">How rows are stored.</param>
    /// <param name="headDim">Elements of a key, and of a value: at least 1.</param>
    /// <param name="limitBytes">The memory that pages may take in all; at least one page.</param>
    /// <exception cref="KvasirException">The limit is smaller than one page.</exception>
    public PagePool(KvFormat format, int headDim, long limitBytes)
        : this((format ?? throw new ArgumentNullException(nameof(format))).Page(headDim, PageTokens), new MemoryBudget(limitBytes))
    {
    }

    /// <param name="layout">Where rows lie in a page of <see cref="PageTokens"/>.</param>
    /// <param name="memory">What slabs are counted in.</param>
    /// <param name="slabs">Where they come from; null for the system's memory.</param>
    /// <param name="files">Where pages lie that have no place in memory; null for memory alone. Disposed with the pool.</param>
    /// <param name="eviction">Which leave memory first.</param>
    /// <exception cref="KvasirException">The limit is smaller than one page.</exception>
    public PagePool(PageLayout layout, MemoryBudget memory, SlabSource? slabs = null, IPageStore? files = null, PageEviction eviction = PageEviction.Counted)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentOutOfRangeException.ThrowIfNotEqual(layout.PageTokens, PageTokens, nameof(layout));
        ArgumentNullException.ThrowIfNull(memory);
        var limitBytes = memory.LimitBytes;
        (_memory, _slabs, Eviction) = (memory, slabs, eviction);
        Layout = layout;
        if (limitBytes < PageBytes)
            throw new KvasirException(
                KvasirError.KvMemoryExceeded, $"the KV memory of {MessageText.Count(limitBytes, "byte")} is less than one page of {PageBytes} bytes");
        _slots = new SlotMemory(PageBytes, (int)Math.Min(limitBytes / PageBytes, int.MaxValue / 2), memory, slabs ?? SlabSource.System);
        PageLimit = files?.PageCount ?? _slots.Limit;
        if (files is not null)
            (Placement, _returned) = (new Placement(_slots, files, PageLimit, PageBytes, eviction), new int[PageLimit]);
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
    public int PagesLeft => Placement is null ? _slots.Left : PageLimit - PagesInUse;

    /// <summary>Bytes of pages in use, those of <see cref="Narrow"/> among them.</summary>
    public long BytesInUse
    {
        get
        {
            var bytes = (long)PagesInUse * PageBytes;
            foreach (var pool in _narrow.Values)
                bytes += pool.BytesInUse;
            return bytes;
        }
    }

    /// <summary>Bytes taken from the system, in use or free.</summary>
    public long ResidentBytes => _slots.ResidentBytes;

    /// <summary>Bytes of a slab: by so much pages grow.</summary>
    public long SlabBytes => _slots.SlabBytes;

    /// <summary>Memory beside the pages that says where each lies which may be on file; 0 where all lie in memory.</summary>
    internal long TableBytes => Placement is null ? 0 : Slots.TableBytes.Of(0, PageLimit, _slots.Limit, onFile: true);

    /// <summary>Which pages leave memory first.</summary>
    internal PageEviction Eviction { get; }

    /// <summary>Whether pages of those who compute are held in memory: then there is room for as many as that, however many a file takes.</summary>
    internal bool HoldsPages => Placement is not null && Eviction is PageEviction.Vllm or PageEviction.Alisa;

    /// <summary>Where pages lie that are on file as well; null where a page's number is its place in memory.</summary>
    internal Placement? Placement { get; }

    /// <summary>As <see cref="AttentionShape.ScoreCap"/>, of the model whose rows they are.</summary>
    internal float ScoreCap { get; init; }

    /// <summary>What slabs are taken from.</summary>
    internal MemoryBudget Memory => _memory;

    /// <summary>What has pages that nobody computes with, and gives them back when memory is short; null for nothing.</summary>
    internal PrefixCache? Prefixes { get; set; }

    /// <summary>Bytes that lie free in slabs of which others are in use.</summary>
    internal long HoleBytes => Placement is null ? _slots.HoleBytes : 0;

    /// <summary>Hands out a page. False when the limit is reached or the system has no memory: the scheduler preempts someone.</summary>
    public bool TryTake(out int page)
    {
        using var gate = _gate.EnterScope();
        if (Placement is null ? !_slots.TryTake(out page) : !TryNumber(out page))
            return false;
        Invariant.Holds(_owners[page] == 0);
        _owners[page] = 1;
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
        PagesInUse--;
        if (Placement is null)
        {
            _slots.Return(page);
            return;
        }

        Placement.Forget(page);
        _returned[_returnedCount++] = page;
    }

    /// <summary>A pool beside this one, of the same memory and as long as this one, for pages whose keys have fewer elements. From any thread.</summary>
    internal PagePool Narrow(int keyDim)
    {
        using var gate = _gate.EnterScope();
        if (!_narrow.TryGetValue(keyDim, out var pool))
            _narrow.Add(keyDim, pool = new PagePool(new PageLayout(Layout.Format, keyDim, Layout.ValueDim, PageTokens, cutsKeys: true), _memory, _slabs));
        return pool;
    }

    /// <summary>Where a page begins: a multiple of 64 bytes. One that may be on file is pinned.</summary>
    internal nint Address(int page) => Placement?.Address(page) ?? _slots.Address(page);

    /// <summary>A part of a page, for writing it. One that may be on file is pinned.</summary>
    internal Span<byte> Bytes(int page, int offset, int length) =>
        Placement is null ? _slots.Bytes(page, offset, length) : Placement.Bytes(page, offset, length);

    /// <summary>Whether so many pages, and so much memory beside them, can be taken now. What nobody computes with makes room, if that is enough.</summary>
    /// <param name="held">How many of the pages will be held.</param>
    internal bool HasRoom(long pages, long besideBytes, long held = 0)
    {
        if (held > 0 && !CanHold(held, besideBytes))
            return false;
        while (!IsRoom(pages, besideBytes) && Prefixes?.TryEvict(PagesShort(pages, besideBytes) * PageBytes) == true)
        {
        }

        if (Placement is not null)
            return IsRoom(pages, besideBytes);
        var bytes = _slots.GrowthBytes(pages) + besideBytes;
        return pages - _slots.FreeCount <= PageLimit - _slots.Count && (bytes == 0 || _memory.HasRoom(bytes));
    }

    /// <summary>Takes memory that is no page from the budget; empty slabs are given back for it. False, with nothing taken, when it is short.</summary>
    internal bool TryTakeBeside(MemoryUse use, long bytes) => bytes == 0 || _memory.TryTake(use, bytes) || (TryMakeRoom(bytes) && _memory.TryTake(use, bytes));

    /// <summary>Gives slabs without pages in use back to the system and the budget. False when there is none.</summary>
    internal bool Trim()
    {
        var found = _slots.Trim();
        foreach (var pool in _narrow.Values)
            found |= pool.Trim();
        return found;
    }

    /// <summary>
    /// Before pages are moved together, so that the last slabs become empty: until <see cref="EndGather"/> pages are neither taken nor returned.
    /// </summary>
    internal void BeginGather() => _slots.BeginGather();

    /// <summary>
    /// Moves a page that has one owner into the first free page, if that lies in a slab which pages in use can fill, and this page behind such slabs.
    /// </summary>
    internal bool TryGather(ref int page)
    {
        var before = page;
        if (Placement is not null || IsShared(page) || !_slots.TryGather(ref page))
            return false;
        (_owners[page], _owners[before]) = (1, 0);
        return true;
    }

    /// <summary>Free pages come out in ascending addresses again.</summary>
    internal void EndGather() => _slots.EndGather();

    /// <summary>Checks that every page is either free exactly once or has owners, and that the counts agree, the budget's too.</summary>
    public void Verify()
    {
        var (takenCount, ownerCount) = (0, 0L);
        for (var page = 0; page < PageLimit; page++)
        {
            Invariant.Holds(_owners[page] >= (_isKept[page] ? 1 : 0));
            takenCount += _owners[page] > 0 ? 1 : 0;
            ownerCount += _owners[page];
        }

        Invariant.Holds(takenCount == PagesInUse && ownerCount == OwnerCount);
        foreach (var pool in _narrow.Values)
            pool.Verify();
        if (Placement is null)
        {
            _slots.Verify(page => _owners[page] > 0);
            return;
        }

        foreach (var page in _returned.AsSpan(0, _returnedCount))
            Invariant.Holds(_owners[page] == 0);
        Invariant.Holds(PagesInUse == _numberedCount - _returnedCount);
        Placement.Verify();
    }

    /// <summary>Frees all pages, whoever has them.</summary>
    public void Dispose()
    {
        foreach (var pool in _narrow.Values)
            pool.Dispose();
        Placement?.Dispose();
        _slots.Dispose();
    }

    // Ascending, so that pages that are taken together lie together on file.
    private bool TryNumber(out int page)
    {
        page = _returnedCount > 0 ? _returned[--_returnedCount] : _numberedCount < PageLimit ? _numberedCount++ : -1;
        return page >= 0;
    }

    private bool TryMakeRoom(long bytes)
    {
        while (Placement is not null && bytes > _memory.LeftBytes && (Trim() || Placement.TryYield()))
        {
        }

        return Placement is not null ? bytes <= _memory.LeftBytes : (Trim() || Prefixes is { FreeableBytes: > 0 }) && HasRoom(0, bytes);
    }

    private bool IsRoom(long pages, long besideBytes)
    {
        if (Placement is not null)
            return pages <= PageLimit - PagesInUse && besideBytes <= _memory.LeftBytes + Placement.YieldableBytes;
        if (besideBytes > 0 && _slots.GrowthBytes(pages) + besideBytes > _memory.LeftBytes)
            Trim();
        return pages - _slots.FreeCount <= PageLimit - _slots.Count && _slots.GrowthBytes(pages) + besideBytes <= _memory.LeftBytes;
    }

    // Beside what passes through memory: all pages of a head are wanted at once when it computes a prompt, and not all of them are held.
    private bool CanHold(long pages, long besideBytes) =>
        (pages + Placement!.Holds.Count + Placement.MostPinned) * PageBytes <= ((long)(_slots.UseCount + _slots.Left) * PageBytes) - besideBytes;

    // At least one; what lies free between pages in use is of no use to others.
    private long PagesShort(long pages, long besideBytes)
    {
        if (Placement is not null)
            return Math.Max(1, pages - (PageLimit - PagesInUse));
        var (wanted, left) = ((pages * PageBytes) + besideBytes, ((long)_slots.FreeCount * PageBytes) + _memory.LeftBytes);
        return Math.Max(1, Math.Max((wanted - left + PageBytes - 1) / PageBytes, pages - _slots.FreeCount - (PageLimit - _slots.Count)));
    }
}
