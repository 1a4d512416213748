using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Support;

/// <summary>
/// Pages of one KV head in shuffled order, where every byte that was not written as part of a row is 0xFF: NaN in f32 and bf16, a NaN
/// scale in q8. A kernel that reads a row it was not asked for answers NaN.
/// </summary>
internal sealed class PoisonedPages : IDisposable
{
    private readonly NativeBuffer _memory;
    private readonly nint[] _pages;
    private readonly PageLayout _layout;

    public PoisonedPages(KvFormat type, int dim, int pageTokens, int rowCount, Random random)
    {
        _layout = type.Page(dim, pageTokens);
        var pageBytes = _layout.Bytes + 16;
        var pageCount = (rowCount + pageTokens - 1) / pageTokens;
        _memory = new NativeBuffer((long)pageBytes * pageCount);
        _memory.Span<byte>(pageBytes * pageCount).Fill(0xFF);
        var order = Enumerable.Range(0, pageCount).ToArray();
        random.Shuffle(order);
        _pages = [.. order.Select(i => _memory.View.Address + i * pageBytes)];
    }

    public PagedRows Keys => _layout.Keys(_pages);

    public PagedRows Values => _layout.Values(_pages);

    /// <summary>Stores one row by itself and returns what a reader of the format must see.</summary>
    public float[] Write(bool values, int row, float[] elements)
    {
        var rows = values ? Values : Keys;
        rows.Encode(row, elements);
        var seen = new float[rows.Dim];
        rows.Decode(row, seen);
        return seen;
    }

    /// <summary>
    /// Stores rows and returns what a reader of the format must see of each. Where rows of a page have scales in common, those before them in their pages are
    /// stored too.
    /// </summary>
    public Dictionary<int, float[]> Write(bool values, IEnumerable<int> rows, Func<float[]> next)
    {
        var stored = values ? Values : Keys;
        foreach (var page in rows.Distinct().Order().GroupBy(row => row / _layout.PageTokens))
        {
            var open = stored.Codec.SharesScales ? values ? _layout.OpenValues() : _layout.OpenKeys() : null;
            if (open is null)
            {
                foreach (var row in page)
                    stored.Encode(row, next());
                continue;
            }

            var bytes = _memory.Span<byte>((int)_memory.Bytes).Slice((int)(_pages[page.Key] - _memory.View.Address), _layout.Bytes);
            for (var row = page.Key * _layout.PageTokens; row <= page.Max(); row++)
                open.Append(next(), row, bytes);
        }

        var seen = new Dictionary<int, float[]>();
        foreach (var row in rows.Distinct())
            stored.Decode(row, seen[row] = new float[stored.Dim]);

        return seen;
    }

    public void Dispose() => _memory.Dispose();
}
