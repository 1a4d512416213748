using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// The newest rows of a head in bf16, which follow one another up to the last that was written: the last 128, which is KIVI's residual (arXiv 2402.02750), or
/// in two halves, as QuantSpec has it (arXiv 2502.10424): when both are full the older one is read as it is stored, so that rows which are taken back without
/// passing the beginning of a half change nothing of how others are read. One writes, and meanwhile nobody reads.
/// </summary>
internal sealed unsafe class NewestRows
{
    /// <summary>KIVI's residual.</summary>
    public const int PaperResidual = 128;

    /// <summary>Rows of QuantSpec's halves.</summary>
    public const int PaperHalf = 128;

    private const int PageRows = 32;
    private readonly int _halfRows;
    private readonly int _mostRows;
    private readonly int _dim;
    private readonly int _rowBytes;
    private readonly byte[] _memory;

    // The ring twice, and once more its first page: a view begins at any page of it.
    private readonly nint[] _pages;
    private int _offset;

    // The first row that is here; the largest number there is while there is none.
    private int _first = int.MaxValue;

    /// <param name="halfRows">Of each of two halves; 0 for rows that leave one by one.</param>
    public NewestRows(int dim, int halfRows = 0)
    {
        (_dim, _halfRows, _mostRows, _rowBytes) = (dim, halfRows, Most(halfRows), RowCodec.BF16.RowBytes(dim));
        _memory = GC.AllocateArray<byte>(_mostRows * _rowBytes + CacheLines.Bytes, pinned: true);
        _pages = new nint[2 * (_mostRows / PageRows) + 1];
        fixed (byte* p = _memory)
        {
            for (var i = 0; i < _pages.Length; i++)
                _pages[i] = (nint)CacheLines.Align(p) + i % (_mostRows / PageRows) * PageRows * _rowBytes;
        }
    }

    /// <summary>The first row that is read from here; the largest number there is while there is none.</summary>
    public int First => _halfRows == 0 || IsEmpty ? _first : Math.Max(_first, End / _halfRows * _halfRows - _halfRows);

    /// <summary>Behind the last one.</summary>
    public int End { get; private set; }

    private bool IsEmpty => _first == int.MaxValue;

    /// <summary>Bytes that it takes.</summary>
    public static long Bytes(int dim, int halfRows) => Most(halfRows) * (long)RowCodec.BF16.RowBytes(dim);

    /// <summary>Where a row lies.</summary>
    public byte* Row(int row)
    {
        var at = (uint)(row + _offset) % (uint)_mostRows;
        return (byte*)_pages[at / PageRows] + at % PageRows * _rowBytes;
    }

    /// <summary>The rows as rows of bf16.</summary>
    /// <param name="first">The number in the head of what is row 0 of them.</param>
    public PagedRows Rows(out int first)
    {
        var from = First;
        var at = (int)((uint)(from + _offset) % (uint)_mostRows);
        first = from - at % PageRows;
        return PagedRows.Alone(_pages.AsSpan(at / PageRows, _mostRows / PageRows + 1), PageRows, RowCodec.BF16, _dim);
    }

    /// <summary>Adds a row; one that does not follow the last is the first of all.</summary>
    public void Add(ReadOnlySpan<float> row, int number)
    {
        if (number != End || IsEmpty)
            _first = number;
        RowCodec.BF16.Encode(row, new StoredRow(Row(number), null));
        End = number + 1;
        _first = Math.Max(_first, End - _mostRows);
    }

    /// <summary>Forgets all rows that are not in [first, end).</summary>
    public void Keep(int first, int end)
    {
        (_first, End) = (Math.Max(_first, first), Math.Min(End, end));
        if (_first >= End)
            (_first, End) = (int.MaxValue, 0);
    }

    /// <summary>What was row first + count is row first; what was before is forgotten if it would leave a gap.</summary>
    public void Move(int first, int count)
    {
        if (IsEmpty)
            return;
        if (first + count > _first)
            Keep(first + count, End);
        if (IsEmpty)
            return;
        (_first, End, _offset) = (_first - count, End - count, (_offset + count) % _mostRows);
    }

    private static int Most(int halfRows) => halfRows == 0 ? PaperResidual : 2 * halfRows;
}
