using Kvasir.Files;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Cache;

/// <summary>The KV cache of an engine: the shape of a token's entries, and the pool that all sequences take pages from.</summary>
public sealed class KvCache : IDisposable
{
    private readonly int _layerCount;
    private readonly int _kvHeadCount;

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
        (_layerCount, _kvHeadCount) = (shape.LayerCount, shape.KvHeadCount);
        var layout = new PageLayout(format, shape.Dim, shape.ValueDim, PagePool.PageTokens);
        Pool = new PagePool(layout, memory, slabs, files?.Invoke(layout.Bytes), eviction);
        Prefixes = new PrefixCache(Pool, HeadCount);
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

    /// <summary>Whether pages on file are read before anybody asks for them.</summary>
    public PageAhead Ahead
    {
        init
        {
            if (Pool.Placement is { } placement)
                placement.Ahead = value;
        }
    }

    /// <summary>Rows that were computed once, for those who begin with the same tokens.</summary>
    internal PrefixCache Prefixes { get; }

    /// <summary>Layers times KV heads.</summary>
    public int HeadCount => _layerCount * _kvHeadCount;

    /// <summary>Bytes of keys and values that one token adds, over all layers and heads.</summary>
    public long BytesPerToken => (long)HeadCount * Pool.PageBytes / PagePool.PageTokens;

    /// <summary>
    /// Bytes that a sequence takes beside its pages, over all layers and heads: the pages that are being written, in floats, of formats that need them.
    /// </summary>
    public long OpenPageBytes => HeadCount * Pool.Layout.OpenBytes;

    /// <summary>Tokens that a single sequence can hold when it has the cache to itself, and no index.</summary>
    public long TokenLimit => (long)(Pool.PageLimit / HeadCount) * PagePool.PageTokens;

    /// <summary>Bytes of pages that so many rows of a sequence take, over all layers and heads.</summary>
    public long PageBytes(int rows) => (long)HeadCount * KvHead.PagesFor(rows) * Pool.PageBytes;

    /// <summary>
    /// Bytes of memory, indexes aside, that a sequence of so many rows takes at least: where pages may lie on file, as many as are read at once, which are
    /// those of a head.
    /// </summary>
    public long MemoryBytes(int rows) => OpenPageBytes + (Pool.Placement is null ? PageBytes(rows) : (long)KvHead.PagesFor(rows) * Pool.PageBytes);

    /// <summary>For messages that name a limit of memory: what there is beside it.</summary>
    internal string DiskNote => DiskBytes > 0 ? $" with {DiskBytes} on disk" : "";

    /// <summary>What keys and values may take on disk, those in memory among them; 0 where all lie in memory.</summary>
    internal long DiskBytes => Pool.Placement is { Store: var store } ? (long)store.PageCount * store.PageBytes : 0;

    /// <summary>Whether pages for so many rows of one sequence are there, in memory or on file.</summary>
    internal bool HasPages(int rows) => (long)HeadCount * KvHead.PagesFor(rows) <= Pool.PageLimit;

    /// <summary>An empty cache for one sequence of at most <paramref name="maxRows"/> tokens; it takes pages as it grows.</summary>
    /// <exception cref="KvasirException">There is no memory for the pages that it would write to.</exception>
    public SequenceCache Open(int maxRows) => TryOpen(maxRows) ?? throw new KvasirException(
        KvasirError.KvMemoryExceeded,
        $"a sequence takes {OpenPageBytes} bytes for the pages that are being written, "
            + $"and of the KV memory of {MessageText.Count(Pool.Memory.LimitBytes, "byte")} {Pool.Memory.LeftBytes} are left");

    /// <summary>The same; null when there is no memory.</summary>
    internal SequenceCache? TryOpen(int maxRows) =>
        Pool.TryTakeBeside(MemoryUse.OpenPages, OpenPageBytes) ? new SequenceCache(Pool, _layerCount, _kvHeadCount, maxRows, OpenPageBytes) : null;

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
