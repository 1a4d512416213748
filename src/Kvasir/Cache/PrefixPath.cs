namespace Kvasir.Cache;

/// <summary>
/// One sequence's way through the tree: the names of its columns, and the columns themselves as far as it has them, which stay in memory for it. Names are
/// computed by whoever submits it; from admission on one thread uses it.
/// </summary>
/// <param name="cache">The tree.</param>
/// <param name="root">What its rows depend on beside their tokens.</param>
internal sealed class PrefixPath(PrefixCache cache, ColumnName root)
{
    private const int Rows = PagePool.PageTokens;
    private ColumnName[] _names = [root];
    private int _nameCount = 1;
    private PrefixColumn[] _columns = [];
    private int _promptColumns;
    private bool _isOpen;
    private bool _isInCommon;
    private int _commonCount;

    public ColumnName Root => root;

    /// <summary>
    /// Names of its tokens in the tree that is there for every tenant, where it may begin; null where it looks for nothing there. What it adds has its own
    /// names.
    /// </summary>
    public PrefixPath? Common { get; init; }

    /// <summary>Whether all columns that it has are of that tree, and the next may be.</summary>
    public bool IsInCommon => _isInCommon && _commonCount == Count;

    /// <summary>Rows from the first that it takes and leaves at most.</summary>
    public int MostRows { get; init; } = int.MaxValue;

    /// <summary>Whose part of what may be kept for a time it uses.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>Which of its beginnings are kept for a time when it leaves.</summary>
    public IReadOnlyList<KeptPrefix> Keeps { get; init; } = [];

    /// <summary>Whether columns stay that it was the last to have, until others need the memory.</summary>
    public bool StaysIdle { get; init; } = true;

    /// <summary>Columns that it has: the first ones of its tokens.</summary>
    public ReadOnlySpan<PrefixColumn> Columns => _columns.AsSpan(0, Count);

    public int Count { get; private set; }

    /// <summary>Rows in these columns.</summary>
    public int RowCount => Count * Rows;

    /// <summary>Columns from the first that others have computed: those behind are its own work.</summary>
    public int FoundCount { get; set; }

    /// <summary>Rows of its prompt that it has added to the tree: others find them.</summary>
    public int WrittenRows { get; private set; }

    /// <summary>Rows of its prompt that are in full columns.</summary>
    public int PromptRows => _promptColumns * Rows;

    /// <summary>The most columns that it has room for.</summary>
    public int Capacity => _columns.Length;

    /// <summary>Whether it is in the tree.</summary>
    public bool IsEntered => Start is not null;

    /// <summary>The root that it began at; null before it enters, and after it left.</summary>
    public PrefixColumn? Start { get; private set; }

    /// <summary>The last column that it has, or the root.</summary>
    public PrefixColumn Tip => Count > 0 ? _columns[Count - 1] : Start!;

    /// <summary>Whether it pins its columns.</summary>
    public bool IsPinned { get; set; }

    /// <summary>Whether columns are added as they fill.</summary>
    public bool IsOpen => _isOpen && RowCount + Rows <= MostRows;

    /// <summary>The first token at which it left everything that the tree had when it came; null where it did not, or where nothing follows.</summary>
    public int? DivergedAt { get; set; }

    /// <summary>What it left there: a column that has other tokens from then on. To be looked at before anything else is done with the tree.</summary>
    public PrefixColumn? LeftAt { get; set; }

    /// <summary>Whether it left it though the text is the same.</summary>
    public bool IsRetokenised { get; set; }

    /// <inheritdoc cref="PrefixCache.Enter"/>
    public void Enter(ReadOnlySpan<int> tokens, int mostRows, int maxRows) =>
        cache.Enter(this, tokens, Math.Min(mostRows, MostRows), Math.Min(maxRows, MostRows));

    /// <summary>Whether nobody computes behind its columns: they are its own with and without pages of layers with a window.</summary>
    public bool ComputesNothing { get; init; }

    /// <summary>Whether those pages stay as long as it has the columns, of which they are there.</summary>
    public bool HoldsWindows { get; init; }

    /// <summary>Columns from the first of which all pages are there.</summary>
    public int WholeCount
    {
        get
        {
            var count = 0;
            while (count < Count && _columns[count].IsWhole)
                count++;
            return count;
        }
    }

    /// <summary>Another that has the same columns, or the first of them, until it leaves.</summary>
    /// <param name="tokens">Of these columns.</param>
    /// <param name="holdsWindows">Whether pages of layers with a window stay as long.</param>
    public PrefixPath Copy(ReadOnlySpan<int> tokens, bool holdsWindows = false)
    {
        var copy = new PrefixPath(cache, root)
        {
            MostRows = tokens.Length / Rows * Rows,
            StaysIdle = StaysIdle,
            Common = Common,
            ComputesNothing = true,
            HoldsWindows = holdsWindows,
        };
        copy.Enter(tokens, copy.MostRows, copy.MostRows);
        return copy;
    }

    /// <summary>Whether it is a way through this tree.</summary>
    public bool IsIn(PrefixCache other) => cache == other;

    /// <inheritdoc cref="PrefixCache.CountHits"/>
    public void CountHits(int tokens, bool isAgain, bool isStored) => cache.CountHits(tokens, isAgain, isStored);

    /// <inheritdoc cref="PrefixCache.CountRetokenised"/>
    public void CountRetokenised()
    {
        IsRetokenised = false;
        cache.CountRetokenised();
    }

    /// <inheritdoc cref="PrefixCache.CountMisses"/>
    public void CountMisses(int tokens) => cache.CountMisses(tokens);

    /// <inheritdoc cref="PrefixCache.Add"/>
    public void Add(SequenceCache rows, ReadOnlySpan<int> tokens, int rowCount) => cache.Add(this, rows, tokens, Math.Min(rowCount, MostRows));

    /// <inheritdoc cref="PrefixCache.TakeMore"/>
    public void TakeMore(ReadOnlySpan<int> tokens, int mostRows) => cache.TakeMore(this, tokens, Math.Min(mostRows, MostRows));

    /// <inheritdoc cref="PrefixCache.Leave"/>
    public void Leave(bool isFaulty = false) => cache.Leave(this, isFaulty);

    /// <inheritdoc cref="IndexParts.TryAdd"/>
    /// <param name="endRow">The last of the column.</param>
    public IndexPart? TryAddPart(int endRow, string policy, int rowCount, long bytes) =>
        cache.Parts.TryAdd(_columns[(endRow / Rows) - 1], policy, rowCount, bytes);

    /// <inheritdoc cref="IndexParts.Drop(IndexPart)"/>
    public void Drop(IndexPart part) => cache.Parts.Drop(part);

    /// <summary>Computes the names of all full columns of these tokens.</summary>
    public void NameAll(ReadOnlySpan<int> tokens)
    {
        _promptColumns = Math.Min(tokens.Length, MostRows) / Rows;
        Reserve(_promptColumns);
        if (_promptColumns > 0)
            Name(_promptColumns - 1, tokens);
    }

    /// <summary>Makes room for so many columns.</summary>
    public void Reserve(int columns)
    {
        if (columns + 1 > _names.Length)
            Array.Resize(ref _names, columns + 1);
        if (columns > _columns.Length)
            Array.Resize(ref _columns, columns);
    }

    /// <summary>The name of a column of these tokens; the ones before it are computed when they are not there.</summary>
    public ColumnName Name(int column, ReadOnlySpan<int> tokens)
    {
        if (column + 2 > _names.Length)
            Array.Resize(ref _names, Math.Max(column + 2, 2 * _names.Length));
        for (; _nameCount <= column + 1; _nameCount++)
            _names[_nameCount] = _names[_nameCount - 1].Next(tokens.Slice((_nameCount - 1) * Rows, Rows));
        return _names[column + 1];
    }

    /// <param name="start">Its root.</param>
    /// <param name="isInCommon">Whether that is the root of the tree that is there for every tenant.</param>
    public void Begin(PrefixColumn start, bool isInCommon)
    {
        (Start, Count, FoundCount, _isOpen, DivergedAt, LeftAt, IsRetokenised) = (start, 0, 0, true, null, null, false);
        (_isInCommon, _commonCount) = (isInCommon, 0);
    }

    public void Append(PrefixColumn column)
    {
        _commonCount += IsInCommon && Common!.IsNamed(Count, column.Name) ? 1 : 0;
        _columns[Count++] = column;
    }

    /// <summary>It has the column since it has added it to the tree.</summary>
    public void AppendAdded(PrefixColumn column)
    {
        WrittenRows += Count < _promptColumns ? Rows : 0;
        Append(column);
    }

    // As far as names were asked for.
    private bool IsNamed(int column, ColumnName name) => _nameCount > column + 1 && _names[column + 1].Equals(name);

    /// <summary>Adds no more columns.</summary>
    public void Close() => _isOpen = false;

    public void End()
    {
        Array.Clear(_columns, 0, Count);
        (Start, Count, FoundCount, _isOpen, IsPinned, LeftAt) = (null, 0, 0, false, false, null);
    }
}
