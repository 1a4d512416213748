using System.Runtime.CompilerServices;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Attention.Vnni;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Walks a row set block by block, some rows ahead of itself: a gathered row that nobody asked for in advance costs a trip to memory, and
/// so does the first line of every page of a range.
/// </summary>
internal unsafe ref struct RowWindow
{
    /// <summary>Rows whose addresses are at hand; three times as many more lie behind them, for looking ahead.</summary>
    public const int BlockRows = 64;

    /// <summary>Addresses that the window holds: of codes, then of scales.</summary>
    public const int Length = 2 * Rows;

    // All scales of a block are read when it begins, and memory that other cores are busy with takes a microsecond to answer.
    private const int AheadRows = 3 * BlockRows;

    // Addresses are moved once for so many rows, not with every block.
    private const int TurnRows = 4 * BlockRows;
    private const int Rows = AheadRows + TurnRows;

    private readonly StoredRows _addresses;
    private readonly PagedRows _source;
    private readonly RowSet _rows;

    /// <param name="storage">Length elements on the caller's stack.</param>
    /// <param name="source">Where the rows lie.</param>
    /// <param name="rows">Which rows, at least one.</param>
    public RowWindow(byte** storage, PagedRows source, RowSet rows)
    {
        _addresses = new StoredRows(storage, storage + Rows);
        _source = source;
        _rows = rows;
        rows.LocateAhead(source, 0, AheadRows, _addresses.From(TurnRows));
    }

    /// <summary>
    /// The addresses of item <paramref name="item"/> of the set, and of at least <see cref="BlockRows"/> after it; called with rising items
    /// that meet every multiple of BlockRows. Past the end the last item is repeated.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly StoredRows From(int item)
    {
        if (item % BlockRows == 0)
            Move(item);
        return _addresses.From(item % TurnRows);
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
        return isEnd || !_rows.IsRange || partCount > BlockRows
            ? LookAhead.None(place)
            : LookAhead.Of(_addresses.From(item % TurnRows + AheadRows), partCount);
    }

    private readonly void AskForNextBlock(int item)
    {
        var next = _addresses.From(item % TurnRows + BlockRows);
        var count = Math.Min(BlockRows, _rows.Count - item - BlockRows);
        for (var r = 0; r < count; r++)
            next.Ask(r, _source.Layout);
    }

    // What was ahead of the last block begins this one; rows that only follow the set are not read.
    private readonly void Move(int item)
    {
        var hasScales = _source.Layout.HasScales;
        if (item % TurnRows == 0)
        {
            Begin(_addresses.Codes);
            if (hasScales)
                Begin(_addresses.Scales);
        }

        var (block, rowsLeft) = (_addresses.From(item % TurnRows), _rows.Count - item);
        if (rowsLeft < BlockRows)
        {
            Repeat(block.Codes, rowsLeft);
            if (hasScales)
                Repeat(block.Scales, rowsLeft);
        }

        _rows.LocateAhead(_source, item + AheadRows, BlockRows, block.From(AheadRows));
    }

    private static void Begin(byte** addresses) => new Span<nint>(addresses + TurnRows, AheadRows).CopyTo(new Span<nint>(addresses, AheadRows));

    private static void Repeat(byte** addresses, int rowsLeft) =>
        new Span<nint>(addresses + rowsLeft, BlockRows - rowsLeft).Fill((nint)addresses[rowsLeft - 1]);
}
