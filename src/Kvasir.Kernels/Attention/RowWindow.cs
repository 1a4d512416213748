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
    /// The addresses of items [item, item + 2 * <see cref="BlockRows"/>) of the set; called with 0, BlockRows and so on. Past the end the
    /// last item is repeated.
    /// </summary>
    public readonly byte** Next(int item)
    {
        new Span<nint>(_addresses + BlockRows, BlockRows).CopyTo(new Span<nint>(_addresses, BlockRows));
        _rows.Locate(_source, item + BlockRows, BlockRows, _addresses + BlockRows);
        return _addresses;
    }

    /// <summary>Asks for the line that an address lies in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(address);
    }
}
