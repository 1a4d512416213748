using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Heads;

/// <summary>
/// The parts of a round whose rows may lie on file. Each goes on piece by piece as its pages come; while it waits for them others go on. Pieces and their order
/// within a part are those of rows that all lie in memory, so that results are the same bit for bit, whatever lies where. One owner's.
/// </summary>
/// <param name="mostParts">Of a round.</param>
internal sealed class LateParts(int mostParts)
{
    private const int PageRows = PagePool.PageTokens;

    // What is asked for ahead of a piece: enough for the device to have several reads at once.
    private const int PagesAhead = 64;
    private readonly Part[] _parts = NewParts(mostParts);
    private readonly int[] _ahead = new int[PagesAhead];
    private PageTable _pages = null!;
    private KvSelection _selection = null!;
    private int _count;
    private int _seenChanges;
    private bool _isLate;

    /// <summary>Whether rows of any part are kept in memory, or on their way there: what is waited for then comes, whatever others do.</summary>
    public bool HoldsAny => Held(0) is var held && held >= 0 && held < _count && _parts[held].IsHeld;

    /// <summary>Begins with the rows of a round.</summary>
    /// <param name="pages">Of the head.</param>
    /// <param name="count">Parts that they are divided into.</param>
    public void Begin(PageTable pages, KvSelection selection, int count)
    {
        (_pages, _selection, _count, _isLate) = (pages, selection, count, false);
        pages.Copies?.BeginRound();
        for (var i = 0; i < count; i++)
        {
            var (first, end) = RoundParts.Places(selection, i, count);
            _parts[i].Begin(first, end);
        }
    }

    /// <summary>Begins to read what is missing of the first piece of every part, and somewhat ahead.</summary>
    /// <param name="pieceRows">The most rows of a piece.</param>
    /// <exception cref="KvasirException">Rows cannot be read.</exception>
    public void Ask(int pieceRows)
    {
        for (var part = 0; part < _count; part++)
        {
            if (!_parts[part].IsDone)
                TryPin(_parts[part], pieceRows);
        }
    }

    /// <summary>Finds a piece whose rows are there.</summary>
    /// <param name="pieceRows">The most rows of a piece.</param>
    /// <param name="inOrder">Whether no part may pass one before it.</param>
    /// <param name="waits">Whether to wait for one when there is none.</param>
    /// <exception cref="KvasirException">Rows cannot be read, or memory has no room for those of a piece.</exception>
    public LateRows Next(int pieceRows, bool inOrder, bool waits, out int part, out SelectedRows rows)
    {
        part = -1;
        rows = default;
        var changes = _pages.Placement!.Changes;
        if (!waits && _isLate && changes == _seenChanges)
            return LateRows.Late;
        (_seenChanges, _isLate) = (changes, false);
        var first = -1;
        for (part = 0; part < _count; part++)
        {
            if (_parts[part].IsDone)
                continue;
            first = first < 0 ? part : first;
            if (part > first && inOrder)
                break;
            if (TryPin(_parts[part], pieceRows))
            {
                rows = Show(_parts[part], pieceRows);
                return LateRows.Here;
            }
        }

        part = Held(first);
        if (part < 0)
            return LateRows.Done;
        if (!waits)
        {
            _isLate = true;
            return LateRows.Late;
        }

        if (_parts[part].IsHeld)
            _pages.Placement!.Await(_parts[part].Pages);
        else
            Pin(_parts[part], pieceRows);
        rows = Show(_parts[part], pieceRows);
        return LateRows.Here;
    }

    /// <summary>Says that the piece of a part was attended.</summary>
    public void Pass(int part)
    {
        // What is read one by one is read again: from copies, whatever becomes of the page.
        foreach (var row in _pages.Copies is null ? [] : _parts[part].Read)
            _pages.CopyRow(row);
        _pages.Placement!.Unpin(_parts[part].Pages);
        _parts[part].Pass();
    }

    /// <summary>Gives back what is still held, after a fault.</summary>
    public void End()
    {
        for (var i = 0; i < _count; i++)
        {
            if (_parts[i].IsHeld)
                _pages.Placement!.Unpin(_parts[i].Pages);
            _parts[i].Begin(0, 0);
        }
    }

    // Who holds some waits for those, and for no others.
    private int Held(int first)
    {
        for (var i = first; i >= 0 && i < _count; i++)
        {
            if (_parts[i].IsHeld)
                return i;
        }

        return first;
    }

    private bool TryPin(Part part, int pieceRows)
    {
        var wasHeld = part.IsHeld;
        if (!wasHeld)
            List(part, pieceRows);
        var isReady = _pages.Placement!.TryPin(part.Pages, ref part.IsHeld);
        if (part.IsHeld && !wasHeld)
            AskAhead(part, pieceRows);
        return isReady;
    }

    private void Pin(Part part, int pieceRows)
    {
        List(part, pieceRows);
        _pages.Placement!.Pin(part.Pages);
        part.IsHeld = true;
    }

    private SelectedRows Show(Part part, int pieceRows)
    {
        foreach (var place in part.TablePlaces)
            _pages.Locate(place, 1);
        var rows = new SelectedRows(_selection, (part.Place, part.End));
        rows.MoveNext(pieceRows);
        if (!rows.Piece.IsRange && _pages.Copies is not null)
        {
            _pages.ShowCopies();
            rows.Stored = new RowSet(part.Stored);
        }

        return rows;
    }

    private void List(Part part, int pieceRows)
    {
        var rows = new SelectedRows(_selection, (part.Place, part.End));
        rows.MoveNext(pieceRows);
        part.List(rows.Piece, _pages);
    }

    private void AskAhead(Part part, int pieceRows)
    {
        var rows = new SelectedRows(_selection, (part.Place + part.RowCount, part.End));
        var (count, last) = (0, -1);
        while (count < PagesAhead && rows.MoveNext(pieceRows))
        {
            for (var i = 0; i < rows.Piece.Count && count < PagesAhead; i += rows.Piece.IsRange ? PageRows - (rows.Piece[i] % PageRows) : 1)
            {
                if (!rows.Piece.IsRange && _pages.Copies?.TryFind(rows.Piece[i], out _) == true)
                    continue;
                if (rows.Piece[i] / PageRows is var place && place != last)
                    (_ahead[count++], last) = (_pages.Pages[place], place);
            }
        }

        _pages.Placement!.Ask(_ahead.AsSpan(0, count));
    }

    private static Part[] NewParts(int count)
    {
        var parts = new Part[count];
        for (var i = 0; i < count; i++)
            parts[i] = new Part();
        return parts;
    }

    // Where a part has come to, and the pages of its next piece.
    private sealed class Part
    {
        private readonly int[] _tablePlaces = new int[AttentionScratch.DecodeRows];
        private readonly int[] _pages = new int[AttentionScratch.DecodeRows];
        private readonly int[] _stored = new int[AttentionScratch.DecodeRows];
        private readonly int[] _read = new int[AttentionScratch.DecodeRows];
        private int _pageCount;
        private int _readCount;

        /// <summary>Whether these pages are pinned.</summary>
        public bool IsHeld;

        public int Place { get; private set; }

        public int End { get; private set; }

        /// <summary>Rows of the piece.</summary>
        public int RowCount { get; private set; }

        public bool IsDone => Place == End;

        public ReadOnlySpan<int> Pages => _pages.AsSpan(0, _pageCount);

        public ReadOnlySpan<int> TablePlaces => _tablePlaces.AsSpan(0, _pageCount);

        /// <summary>Where listed rows lie, in their order.</summary>
        public ReadOnlySpan<int> Stored => _stored.AsSpan(0, RowCount);

        /// <summary>Those of them that are read from their pages.</summary>
        public ReadOnlySpan<int> Read => _read.AsSpan(0, _readCount);

        public void Begin(int place, int end) => (Place, End, IsHeld) = (place, end, false);

        public void Pass() => (Place, IsHeld) = (Place + RowCount, false);

        public void List(in RowSet rows, PageTable pages)
        {
            (_pageCount, _readCount, RowCount) = (0, 0, rows.Count);
            var copies = rows.IsRange ? null : pages.Copies;
            for (var i = 0; i < rows.Count; i += rows.IsRange ? PageRows - (rows[i] % PageRows) : 1)
            {
                if (copies is not null && copies.TryFind(rows[i], out var copy))
                {
                    _stored[i] = pages.RowOfCopy(copy);
                    continue;
                }

                if (copies is not null)
                    _read[_readCount++] = _stored[i] = rows[i];
                var place = rows[i] / PageRows;
                if (_pageCount > 0 && _tablePlaces[_pageCount - 1] == place)
                    continue;
                (_tablePlaces[_pageCount], _pages[_pageCount]) = (place, pages.Pages[place]);
                _pageCount++;
            }
        }
    }
}

/// <summary>What there is of the rows of a round.</summary>
internal enum LateRows
{
    /// <summary>All were attended.</summary>
    Done,

    /// <summary>Those that are left are on their way.</summary>
    Late,

    /// <summary>Some can be attended.</summary>
    Here,
}
