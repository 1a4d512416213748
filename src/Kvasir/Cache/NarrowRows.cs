using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Cache;

/// <summary>
/// The first rows of a head with keys of fewer elements, in whole pages of their own: the others are taken for zeros, and what they would have been
/// multiplied by is left out of the queries. Values are what they were.
/// </summary>
internal sealed class NarrowRows : IDisposable
{
    private const int PageRows = PagePool.PageTokens;
    private const int QueriesAtOnce = 8;
    private readonly PagePool _pool;
    private readonly PageTable _table;
    private readonly OpenPage? _openKeys;
    private readonly OpenPage? _openValues;
    private readonly int[] _elements;

    /// <param name="pool">Of pages whose keys have as many elements as stay.</param>
    /// <param name="edit">Says which elements stay, and of how many rows.</param>
    public NarrowRows(PagePool pool, RowEdit edit)
    {
        Invariant.Holds(pool.Layout.KeyDim == edit.KeyElements.Length);
        (_pool, _elements, _table) = (pool, edit.KeyElements.ToArray(), new PageTable(pool, edit.NarrowedCount / PageRows));
        (_openKeys, _openValues) = (pool.Layout.OpenKeys(), pool.Layout.OpenValues());
    }

    /// <summary>Rows that are narrow: the first of the head.</summary>
    public int RowCount => _table.Count * PageRows;

    public int PageCount => _table.Count;

    public long Bytes => (long)_table.Count * _pool.PageBytes;

    private PagedRows Keys => _pool.Layout.Keys(_table.Addresses, _openKeys);

    private PagedRows Values => _pool.Layout.Values(_table.Addresses, _openValues);

    /// <summary>Takes rows over as far as there is memory. False when there is none for any.</summary>
    /// <param name="keys">Of the head, whole.</param>
    public bool TryFill(PagedRows keys, PagedRows values, RowEdit edit)
    {
        while (RowCount < edit.NarrowedCount && TryAdd(keys, values, edit.Floats(keys.Dim + values.Dim + _elements.Length)))
        {
        }

        return RowCount > 0;
    }

    /// <summary>Scores rows, narrow ones and others.</summary>
    /// <param name="queries">[count, dim of the others]</param>
    /// <param name="keys">The others, by their numbers in the head.</param>
    /// <param name="scores">[count, <paramref name="stride"/>]</param>
    public void Score(ReadOnlySpan<float> queries, PagedRows keys, in RowSet rows, Span<float> scores, int stride)
    {
        Span<float> own = stackalloc float[QueriesAtOnce * _elements.Length];
        var count = queries.Length / keys.Dim;
        for (var first = 0; first < rows.Count;)
        {
            var part = Part(rows, first, out var isNarrow);
            if (!isNarrow)
                AttentionScores.Rows(queries, keys, part, 1, scores[first..], stride);
            for (var query = 0; isNarrow && query < count; query += QueriesAtOnce)
            {
                var together = Math.Min(QueriesAtOnce, count - query);
                for (var i = 0; i < together; i++)
                    Gather(queries.Slice((query + i) * keys.Dim, keys.Dim), own.Slice(i * _elements.Length, _elements.Length));
                AttentionScores.Rows(own[..(together * _elements.Length)], Keys, part, 1, scores[((query * stride) + first)..], stride);
            }

            first += part.Count;
        }
    }

    /// <summary>Adds the weighted values of rows, narrow ones and others.</summary>
    /// <param name="weights">[count, <paramref name="stride"/>]</param>
    /// <param name="values">The others, by their numbers in the head.</param>
    /// <param name="outputs">[count, dim of a value]</param>
    public void AddValues(ReadOnlySpan<float> weights, int stride, PagedRows values, in RowSet rows, Span<float> outputs)
    {
        for (var first = 0; first < rows.Count;)
        {
            var part = Part(rows, first, out var isNarrow);
            AttentionValues.Rows(weights[first..], stride, isNarrow ? Values : values, part, outputs);
            first += part.Count;
        }
    }

    public void Dispose() => _table.Shrink(0);

    private bool TryAdd(PagedRows keys, PagedRows values, Span<float> floats)
    {
        var first = RowCount;
        if (!_table.TryGrow(_table.Count + 1))
            return false;
        var key = floats[..keys.Dim];
        var value = floats.Slice(keys.Dim, values.Dim);
        var narrow = floats.Slice(keys.Dim + values.Dim, _elements.Length);
        for (var row = first; row < first + PageRows; row++)
        {
            keys.Decode(row, key);
            values.Decode(row, value);
            Gather(key, narrow);
            Store(_openKeys, narrow, Keys, row);
            Store(_openValues, value, Values, row);
        }

        return true;
    }

    // From one row on, those that lie in the same place.
    private RowSet Part(in RowSet rows, int first, out bool isNarrow)
    {
        isNarrow = rows[first] < RowCount;
        var end = first + 1;
        if (rows.IsRange)
            end = isNarrow ? Math.Min(rows.Count, first + RowCount - rows[first]) : rows.Count;
        while (!rows.IsRange && end < rows.Count && rows[end] < RowCount == isNarrow)
            end++;
        return rows.Part(first, end - first);
    }

    private void Gather(ReadOnlySpan<float> whole, Span<float> narrow)
    {
        for (var i = 0; i < narrow.Length; i++)
            narrow[i] = whole[_elements[i]];
    }

    private void Store(OpenPage? open, ReadOnlySpan<float> elements, PagedRows rows, int row)
    {
        if (open is null)
            rows.Encode(row, elements);
        else
            open.Append(elements, row, _table.Bytes(row / PageRows));
    }
}
