using Kvasir.Cache.Slots;
using Kvasir.Files;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Cache;

/// <summary>The KV cache of an engine: the shape of a token's entries, and the pool that all sequences take pages from.</summary>
public sealed class KvCache : IDisposable
{
    private readonly AttentionShape _shape;
    private readonly KvWindows? _windows;

    /// <param name="limitBytes">What all pages may take together.</param>
    /// <exception cref="KvasirException">The limit does not hold one page for every head.</exception>
    public KvCache(KvFormat format, int layerCount, int kvHeadCount, int headDim, long limitBytes)
        : this(format, new AttentionShape(layerCount, kvHeadCount, kvHeadCount, headDim, null), new MemoryBudget(limitBytes))
    {
    }

    /// <param name="memory">What pages, and all else that comes and goes with a sequence, are taken from.</param>
    /// <param name="slabs">Where the memory of pages comes from; null for the system's.</param>
    /// <exception cref="KvasirException">The limit does not hold one page for every head.</exception>
    /// <param name="files">Makes the place of pages that have none in memory, for pages of so many bytes; null for memory alone.</param>
    /// <param name="eviction">Which pages leave memory first.</param>
    public KvCache(
        KvFormat format, AttentionShape shape, MemoryBudget memory, SlabSource? slabs = null, Func<int, IPageStore>? files = null,
        PageEviction eviction = PageEviction.Counted)
    {
        (_shape, Places) = (shape, new KvPlaces(shape, format));
        _windows = KvWindows.Of(shape, PagePool.PageTokens, Places.HeadsInPage);
        var layout = Places.Layout;
        Pool = new PagePool(layout, memory, slabs, files?.Invoke(layout.Bytes), eviction) { ScoreCap = shape.ScoreCap };
        Prefixes = new PrefixCache(Pool, Places, _windows);
        Pool.Prefixes = Prefixes;
        var (limitBytes, needed) = (memory.LimitBytes, MemoryBytes(1));
        if (limitBytes >= needed)
            return;
        Pool.Dispose();
        throw new KvasirException(
            KvasirError.KvMemoryExceeded,
            $"the KV memory of {MessageText.Count(limitBytes, "byte")} is less than the {needed} bytes that the first {PagePool.PageTokens} tokens take");
    }

    public PagePool Pool { get; }

    internal AttentionShape Shape => _shape;

    /// <summary>Which pages heads have their rows in.</summary>
    internal KvPlaces Places { get; }

    /// <summary>Whether pages on file are read before anybody asks for them.</summary>
    public PageAhead Ahead
    {
        init
        {
            if (Pool.Placement is { } placement)
                placement.Ahead = value;
        }
    }

    /// <summary>The most rows that a sequence has in a step, which bounds what layers with a window take; unbounded where nobody says.</summary>
    public int StepRows
    {
        init
        {
            if (_windows is not null)
                _windows.StepRows = value;
        }
    }

    /// <summary>
    /// The most sequences that compute side by side: each has its share of memory, where others of its rows may lie on file. 1 where nobody says.
    /// </summary>
    internal int Sequences { get; init; } = 1;

    /// <summary>Whether a sequence that waits for memory keeps its rows, on file.</summary>
    internal bool Swaps => Pool.HoldsPages;

    /// <summary>Rows that were computed once, for those who begin with the same tokens.</summary>
    internal PrefixCache Prefixes { get; }

    /// <summary>Layers times KV heads; heads that lie in the same pages count once.</summary>
    public int HeadCount => Places.ListCount;

    /// <summary>Those of them that keep all rows.</summary>
    public int FullHeadCount => HeadCount - (_windows?.HeadCount ?? 0);

    /// <summary>Bytes of keys and values that one token adds for good, over all heads that keep all rows.</summary>
    public long BytesPerToken => (long)FullHeadCount * Pool.PageBytes / PagePool.PageTokens;

    /// <summary>The most bytes that layers with a window take of a sequence, however long it is; 0 where there are none.</summary>
    public long WindowBytes => _windows is null ? 0 : (long)_windows.HeadCount * _windows.MostPages * Pool.PageBytes;

    /// <summary>
    /// Bytes that a sequence takes beside its pages, over all layers and heads: the pages that are being written, in floats, of formats that need them.
    /// </summary>
    public long OpenPageBytes => Places.OpenBytes;

    /// <summary>Tokens that a single sequence can hold when it has the cache to itself, and no index.</summary>
    public long TokenLimit
    {
        get
        {
            var pages = Pool.PageLimit / HeadCount;
            if (_windows is not null && pages > _windows.MostPages)
                pages = FullHeadCount == 0 ? int.MaxValue / PagePool.PageTokens
                    : (int)((Pool.PageLimit - ((long)_windows.HeadCount * _windows.MostPages)) / FullHeadCount);
            return (long)pages * PagePool.PageTokens;
        }
    }

    /// <summary>The most bytes of pages that a sequence has until so many rows are computed, over all layers and heads.</summary>
    public long PageBytes(int rows) => PagesBetween(0, rows) * Pool.PageBytes;

    /// <summary>The most pages that a sequence takes from one number of rows to another.</summary>
    internal long PagesBetween(int first, int rows)
    {
        var pages = KvHead.PagesFor(rows) - KvHead.PagesFor(first);
        return ((long)FullHeadCount * pages) + (_windows is null ? 0 : (long)_windows.HeadCount * Math.Min(pages, _windows.MostPages));
    }

    /// <summary>Bytes that so many rows of a sequence need, over all layers and heads.</summary>
    internal long RowBytes(long rows) =>
        (rows * BytesPerToken) + (_windows is null ? 0 : Math.Min(WindowBytes, rows * _windows.HeadCount * Pool.PageBytes / PagePool.PageTokens));

    /// <summary>
    /// Bytes of memory, indexes aside, that a sequence of so many rows takes at least: where pages may lie on file, as many as are read at once, which are
    /// those of a head; or of whole sequences, where none computes with less.
    /// </summary>
    public long MemoryBytes(int rows) => OpenPageBytes
        + (Pool.Placement is null || Pool.Eviction == PageEviction.Vllm ? PageBytes(rows) : (long)KvHead.PagesFor(rows) * Pool.PageBytes);

    /// <summary>For messages that name a limit of memory: what there is beside it.</summary>
    internal string DiskNote => DiskBytes > 0 ? $" with {DiskBytes} on disk" : "";

    /// <summary>What keys and values may take on disk, those in memory among them; 0 where all lie in memory.</summary>
    internal long DiskBytes => Pool.Placement is { Store: var store } ? (long)store.PageCount * store.StoredBytes : 0;

    /// <summary>Whether pages for so many rows of one sequence are there, in memory or on file.</summary>
    internal bool HasPages(int rows) => PagesBetween(0, rows) <= Pool.PageLimit;

    /// <summary>
    /// An empty cache for one sequence of at most <paramref name="maxRows"/> tokens, for whoever looks at rows or writes them himself: it takes pages as it
    /// grows, and keeps them all.
    /// </summary>
    /// <exception cref="KvasirException">There is no memory for the pages that it would write to.</exception>
    public SequenceCache Open(int maxRows) => Open(maxRows, settled: null);

    /// <inheritdoc cref="Open(int)"/>
    /// <param name="settled">As <see cref="TryOpen"/> has it.</param>
    internal SequenceCache Open(int maxRows, Func<int, SettledRows?>? settled) => TryOpen(maxRows, keepsAll: true, settled) ?? throw new KvasirException(
        KvasirError.KvMemoryExceeded,
        $"a sequence takes {OpenPageBytes} bytes for the pages that are being written, "
            + $"and of the KV memory of {MessageText.Count(Pool.Memory.LimitBytes, "byte")} {Pool.Memory.LeftBytes} are left");

    /// <summary>The same; null when there is no memory.</summary>
    /// <param name="keepsAll">Whether layers with a window keep rows that no position to come sees.</param>
    /// <param name="settled">What its policy goes on reading at so many rows; null for whoever keeps nothing in memory for long.</param>
    internal SequenceCache? TryOpen(int maxRows, bool keepsAll = false, Func<int, SettledRows?>? settled = null) =>
        Pool.TryTakeBeside(MemoryUse.OpenPages, OpenPageBytes)
            ? new SequenceCache(Pool, (_shape, Places), maxRows, OpenPageBytes, keepsAll ? null : _windows) { Residency = ResidencyOf(settled) }
            : null;

    /// <summary>Pages that a sequence of so many rows will have in memory for good, copies of rows among them; 0 where that is nobody's right.</summary>
    /// <param name="isAlone">Whether less than its share is enough, since nobody will give anything back.</param>
    internal long PagesHeld(Func<int, SettledRows?> settled, int rows, bool isAlone)
    {
        if (!Pool.HoldsPages)
            return 0;
        var residency = ResidencyOf(settled)!;
        return HeadCount * (long)((isAlone ? residency.Least : null) ?? residency).PagesIn(rows);
    }

    // Orders that place pages by themselves do with their use what they like, but keep no copies.
    private ResidencySchedule? ResidencyOf(Func<int, SettledRows?>? settled) => Pool.Eviction switch
    {
        _ when Pool.Placement is null || settled is null || (!Pool.HoldsPages && settled(int.MaxValue) is null) => null,
        PageEviction.FlexGen or PageEviction.ZeroInference => null,
        PageEviction.Vllm => ResidencySchedule.Whole,
        _ => new ResidencySchedule((int)Math.Min(int.MaxValue / 2, ShareBytes / Math.Max(1, BytesPerToken)), settled),
    };

    // Of pages that pass through, and of indexes, a share is left.
    private long ShareBytes => (Pool.Memory.LimitBytes - (Pool.Memory.LimitBytes / SlotOrder.PassingShare)) / Sequences;

    /// <summary>Copies the rows of a column, [heads, bytes of a page], for whoever writes them to a file.</summary>
    internal void CopyColumn(PrefixColumn column, Span<byte> rows)
    {
        for (var i = 0; i < column.Pages.Length; i++)
        {
            Pool.Placement?.Pin([column.Pages[i]]);
            Pool.Bytes(column.Pages[i], 0, Pool.PageBytes).CopyTo(rows[(i * Pool.PageBytes)..]);
            Pool.Placement?.Unpin([column.Pages[i]]);
        }
    }

    public void Dispose() => Pool.Dispose();
}
