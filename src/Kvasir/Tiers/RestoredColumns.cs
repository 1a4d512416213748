using Kvasir.Cache;

namespace Kvasir.Tiers;

/// <summary>
/// Columns that come from elsewhere than from computing, on their way into the prefix cache. They and those before them stay until it is disposed.
/// </summary>
internal sealed class RestoredColumns : IDisposable
{
    private readonly KvCache _cache;
    private readonly PrefixPath _path;
    private readonly SequenceCache _rows;
    private readonly int[] _tokens;

    private RestoredColumns(KvCache cache, PrefixPath path, SequenceCache rows, int[] tokens) =>
        (_cache, _path, _rows, _tokens) = (cache, path, rows, tokens);

    /// <summary>Columns of the tokens that there are in the cache, or will be when they are published.</summary>
    public int Count => _rows.ReservedRows / PagePool.PageTokens;

    /// <summary>Rows that can be found.</summary>
    public int RowCount => _path.RowCount;

    /// <summary>Goes on behind what the cache has. Null, with nothing taken, when there is no memory.</summary>
    /// <param name="path">Not in the tree; its own from now on.</param>
    /// <param name="tokens">Of all columns that there may be.</param>
    public static RestoredColumns? TryBegin(KvCache cache, PrefixPath path, int[] tokens)
    {
        path.Enter(tokens, tokens.Length, tokens.Length);
        if (cache.TryOpen(tokens.Length, keepsAll: true) is not { } rows)
        {
            path.Leave();
            return null;
        }

        rows.Adopt(path.Columns);
        return new RestoredColumns(cache, path, rows, tokens);
    }

    /// <summary>The number of a head whose page is none of the cache's format, whoever wrote it; null for none.</summary>
    /// <param name="column">[heads, bytes of a page]</param>
    public int? UnsoundHead(ReadOnlySpan<byte> column)
    {
        for (var head = 0; head < _cache.HeadCount; head++)
        {
            if (!_cache.Places.IsSound(head, column.Slice(head * _cache.Pool.PageBytes, _cache.Pool.PageBytes)))
                return head;
        }

        return null;
    }

    /// <summary>Takes the next column, which is sound. False when memory is short.</summary>
    public bool TryAdd(ReadOnlySpan<byte> column)
    {
        if (!_rows.TryReserve((Count + 1) * PagePool.PageTokens))
            return false;
        _rows.Restore(column);
        return true;
    }

    /// <summary>Lets all find what was taken.</summary>
    public void Publish() => _path.Add(_rows, _tokens, _rows.ReservedRows);

    public void Dispose()
    {
        _rows.Close();
        _path.Leave();
    }
}
