using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// The newest rows of a head in bf16: KIVI's residual (arXiv 2402.02750), of at most <see cref="MostRows"/> rows that follow one another up to the last
/// that was written. One writes, and meanwhile nobody reads.
/// </summary>
internal sealed unsafe class NewestRows
{
    /// <summary>The paper's residual length.</summary>
    public const int MostRows = 128;

    private const int PageRows = 32;
    private const int Pages = MostRows / PageRows;
    private readonly int _dim;
    private readonly int _rowBytes;
    private readonly byte[] _memory;

    // The ring twice, and once more its first page: a view begins at any page of it.
    private readonly nint[] _pages = new nint[2 * Pages + 1];
    private int _offset;

    public NewestRows(int dim)
    {
        (_dim, _rowBytes) = (dim, RowCodec.BF16.RowBytes(dim));
        _memory = GC.AllocateArray<byte>(MostRows * _rowBytes + CacheLines.Bytes, pinned: true);
        fixed (byte* p = _memory)
        {
            for (var i = 0; i < _pages.Length; i++)
                _pages[i] = (nint)CacheLines.Align(p) + i % Pages * PageRows * _rowBytes;
        }
    }

    /// <summary>The first row that is here; the largest number there is while there is none.</summary>
    public int First { get; private set; } = int.MaxValue;

    /// <summary>Behind the last one.</summary>
    public int End { get; private set; }

    private bool IsEmpty => First == int.MaxValue;

    /// <summary>Bytes that it takes.</summary>
    public static long Bytes(int dim) => MostRows * (long)RowCodec.BF16.RowBytes(dim);

    /// <summary>Where a row lies.</summary>
    public byte* Row(int row)
    {
        var at = (uint)(row + _offset) % MostRows;
        return (byte*)_pages[at / PageRows] + at % PageRows * _rowBytes;
    }

    /// <summary>The rows as rows of bf16.</summary>
    /// <param name="first">The number in the head of what is row 0 of them.</param>
    public PagedRows Rows(out int first)
    {
        var at = (int)((uint)(First + _offset) % MostRows);
        first = First - at % PageRows;
        return PagedRows.Alone(_pages.AsSpan(at / PageRows, Pages + 1), PageRows, RowCodec.BF16, _dim);
    }

    /// <summary>Adds a row; one that does not follow the last is the first of all.</summary>
    public void Add(ReadOnlySpan<float> row, int number)
    {
        if (number != End || IsEmpty)
            First = number;
        RowCodec.BF16.Encode(row, new StoredRow(Row(number), null));
        End = number + 1;
        First = Math.Max(First, End - MostRows);
    }

    /// <summary>Forgets all rows that are not in [first, end).</summary>
    public void Keep(int first, int end)
    {
        (First, End) = (Math.Max(First, first), Math.Min(End, end));
        if (First >= End)
            (First, End) = (int.MaxValue, 0);
    }

    /// <summary>What was row first + count is row first; what was before is forgotten if it would leave a gap.</summary>
    public void Move(int first, int count)
    {
        if (IsEmpty)
            return;
        if (first + count > First)
            Keep(first + count, End);
        if (IsEmpty)
            return;
        (First, End, _offset) = (First - count, End - count, (_offset + count) % MostRows);
    }
}
