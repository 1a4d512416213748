using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Models.Configs;

namespace Kvasir.Requests;

/// <summary>What memory a sequence takes, by how many rows it has and by its policy: pages, the pages being written, and the index with what it
/// shares.</summary>
/// <param name="limitBytes">What all of it may take in one engine.</param>
internal sealed class SequenceBytes(KvCache cache, AttentionShape shape, long limitBytes)
{
    public long LimitBytes => limitBytes;

    /// <summary>Pages with those that are being written.</summary>
    public long Pages(int rows) => cache.PageBytes(rows) + cache.OpenPageBytes;

    /// <summary>Pages that stay of a prompt when it is over, or of as much of it as fits.</summary>
    public long Kept(AttentionPolicy policy, int promptRows)
    {
        var pages = 0L;
        promptRows = (int)Math.Min(promptRows, TokensThatFit(policy));
        for (var layer = 0; layer < shape.LayerCount; layer++)
            pages += KvHead.PagesFor(policy.RowsKeptAt(shape, layer, promptRows)) * (long)cache.Places.ListsAt(layer);
        return pages * cache.Pool.PageBytes;
    }

    /// <param name="takeBack">How far generated rows may be taken back.</param>
    /// <param name="prefixRows">As <see cref="HeadPlace.PrefixRows"/>.</param>
    public long Index(AttentionPolicy policy, int promptRows, int rows, TakeBackLimits takeBack = default, int prefixRows = 0) =>
        policy.IndexBytesAt(shape, promptRows, rows, rows, takeBack, prefixRows) + policy.SharedIndexBytes(shape);

    public bool Fits(AttentionPolicy policy, int rows, TakeBackLimits takeBack = default, int prefixRows = 0) =>
        cache.HasPages(rows) && cache.MemoryBytes(rows) + Index(policy, rows, rows, takeBack, prefixRows) <= limitBytes;

    /// <summary>Tokens, in whole pages, that one sequence can hold when nobody else takes memory.</summary>
    public long TokensThatFit(AttentionPolicy policy)
    {
        var (fit, tooMany) = (0L, (cache.TokenLimit / PagePool.PageTokens) + 1);
        while (tooMany - fit > 1)
        {
            var middle = (fit + tooMany) / 2;
            if (middle * PagePool.PageTokens <= int.MaxValue && Fits(policy, (int)middle * PagePool.PageTokens))
                fit = middle;
            else
                tooMany = middle;
        }

        return fit * PagePool.PageTokens;
    }
}
