using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Walks a row set block by block, some rows ahead of itself: a gathered row that nobody asked for in advance costs a trip to memory, and
/// so does the first line of every page of a range.
/// </summary>
internal unsafe ref struct RowWindow
{
    /// <summary>Rows whose addresses are at hand; as many more lie behind them, for looking ahead.</summary>
    public const int BlockRows = 64;

    /// <summary>Addresses that the window holds.</summary>
    public const int Length = 2 * BlockRows;

    private readonly byte** _addresses;
    private readonly PagedRows _source;
    private readonly RowSet _rows;

    /// <param name="storage">Length elements on the caller's stack.</param>
    /// <param name="source">Where the rows lie.</param>
    /// <param name="rows">Which rows, at least one.</param>
    public RowWindow(byte** storage, PagedRows source, RowSet rows)
    {
        _addresses = storage;
        _source = source;
        _rows = rows;
        rows.Locate(source, 0, BlockRows, _addresses + BlockRows);
    }

    /// <summary>
    /// The addresses of item <paramref name="item"/> of the set, and of at least <see cref="BlockRows"/> after it; called with rising items
    /// that meet every multiple of BlockRows. Past the end the last item is repeated.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly byte** From(int item)
    {
        if (item % BlockRows == 0)
            Move(item);
        return _addresses + item % BlockRows;
    }

    /// <summary>Asks for the line that an address lies in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(address);
    }

    /// <summary>Asks for the lines of <paramref name="bytes"/> bytes: a constant, so that this unrolls.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* address, int bytes)
    {
        Prefetch(address);
        if (bytes >= 2 * CacheLines.Bytes)
            Prefetch(address + CacheLines.Bytes);
        if (bytes < 4 * CacheLines.Bytes)
            return;
        Prefetch(address + 2 * CacheLines.Bytes);
        Prefetch(address + 3 * CacheLines.Bytes);
    }

    // What was ahead of the last block begins this one.
    private readonly void Move(int item)
    {
        new Span<nint>(_addresses + BlockRows, BlockRows).CopyTo(new Span<nint>(_addresses, BlockRows));
        _rows.Locate(_source, item + BlockRows, BlockRows, _addresses + BlockRows);
    }
}
