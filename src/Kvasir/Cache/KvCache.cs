using Kvasir.Kernels.Attention;

namespace Kvasir.Cache;

/// <summary>The KV cache of an engine: the shape of a token's entries, and the pool that all sequences take pages from.</summary>
public sealed class KvCache : IDisposable
{
    private readonly int _layerCount;
    private readonly int _kvHeadCount;

    /// <param name="limitBytes">What all pages may take together.</param>
    /// <exception cref="KvasirException">The limit does not hold one page for every head.</exception>
    public KvCache(KvType type, int layerCount, int kvHeadCount, int headDim, long limitBytes)
    {
        (_layerCount, _kvHeadCount) = (layerCount, kvHeadCount);
        Pool = new PagePool(type, headDim, limitBytes);
        if (Pool.PageLimit >= HeadCount)
            return;
        var needed = (long)HeadCount * Pool.PageBytes;
        Pool.Dispose();
        throw new KvasirException(
            KvasirError.KvMemoryExceeded,
            $"the KV memory of {limitBytes} bytes is less than the {needed} bytes that the first {PagePool.PageTokens} tokens take");
    }

    public PagePool Pool { get; }

    /// <summary>Layers times KV heads.</summary>
    public int HeadCount => _layerCount * _kvHeadCount;

    /// <summary>Bytes of keys and values that one token adds, over all layers and heads.</summary>
    public long BytesPerToken => (long)HeadCount * Pool.PageBytes / PagePool.PageTokens;

    /// <summary>Bytes that a sequence takes beside its pages, over all layers and heads: the pages that are being written, in floats, of types that need them.</summary>
    public long OpenPageBytes => HeadCount * (OpenPage.Bytes(Pool.Type, Pool.HeadDim, PagePool.PageTokens, values: false)
        + OpenPage.Bytes(Pool.Type, Pool.HeadDim, PagePool.PageTokens, values: true));

    /// <summary>Tokens that a single sequence can hold when it has the cache to itself.</summary>
    public long TokenLimit => (long)(Pool.PageLimit / HeadCount) * PagePool.PageTokens;

    /// <summary>An empty cache for one sequence of at most <paramref name="maxRows"/> tokens; it takes pages as it grows.</summary>
    public SequenceCache Open(int maxRows) => new(Pool, _layerCount, _kvHeadCount, maxRows);

    public void Dispose() => Pool.Dispose();
}
