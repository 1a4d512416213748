using System.Runtime.CompilerServices;
using Kvasir.Kernels.Attention.Vnni;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Walks a row set block by block, some rows ahead of itself: a gathered row that nobody asked for in advance costs a trip to memory, and
/// so does the first line of every page of a range.
/// </summary>
internal unsafe ref struct RowWindow
{
    /// <summary>Rows whose addresses are at hand; three times as many more lie behind them, for looking ahead.</summary>
    public const int BlockRows = 64;

    /// <summary>Addresses that the window holds.</summary>
    public const int Length = AheadRows + BlockRows;

    // All scales of a block are read when it begins, and memory that other cores are busy with takes a microsecond to answer.
    private const int AheadRows = 3 * BlockRows;

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
        rows.LocateAhead(source, 0, AheadRows, _addresses + BlockRows);
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

    /// <summary>
    /// What to ask for while a kernel passes over the block at <paramref name="item"/>. Rows of a list lie anywhere: those of the next block
    /// are asked for at once, and nothing is left to the kernel.
    /// </summary>
    /// <param name="item">As it was given to <see cref="From"/> last: a multiple of BlockRows.</param>
    /// <param name="partCount">How many times the kernel asks on its way through 64 rows.</param>
    /// <param name="place">The address of memory that may be asked for in vain.</param>
    public readonly LookAhead Ahead(int item, int partCount, byte** place)
    {
        if (!_rows.IsRange)
            AskForNextBlock(item);
        var isEnd = item + AheadRows >= _rows.Count + _rows.Following;
        return isEnd || !_rows.IsRange || partCount > BlockRows ? LookAhead.None(place) : LookAhead.Of(_addresses + AheadRows, partCount);
    }

    private readonly void AskForNextBlock(int item)
    {
        var end = BlockRows + Math.Min(BlockRows, _rows.Count - item - BlockRows);
        for (var r = BlockRows; r < end; r++)
        {
            for (var at = 0; at < _source.RowBytes; at += CacheLines.Bytes)
                CacheLines.Prefetch(_addresses[r] + at);
            CacheLines.Prefetch(_addresses[r] + _source.RowBytes - 1);
        }
    }

    // What was ahead of the last block begins this one; rows that only follow the set are not read.
    private readonly void Move(int item)
    {
        new Span<nint>(_addresses + BlockRows, AheadRows).CopyTo(new Span<nint>(_addresses, AheadRows));
        for (var i = Math.Max(1, _rows.Count - item); i < BlockRows; i++)
            _addresses[i] = _addresses[i - 1];
        _rows.LocateAhead(_source, item + AheadRows, BlockRows, _addresses + AheadRows);
    }
}
