using Kvasir.Cache.Slots;
using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// Rows that were computed once, for whoever begins with the same tokens: a tree of columns, shared by reference with the sequences that use them. Columns are
/// added as soon as they are full, while their sequence goes on, and are what is not used of the KV memory: whoever needs a page takes it from them, leaves
/// first, least recently used, those last that are kept for a time, and never one that somebody has. A column is known by the hash of all tokens up to it and
/// is compared token by token. One thread uses it; adding a column allocates nothing, since room is made when a sequence enters.
/// </summary>
internal sealed class PrefixCache
{
    private const int Rows = PagePool.PageTokens;
    private readonly ColumnTable _table = new();
    private readonly ColumnHeap<LeafOrder> _leaves = new();
    private readonly KeptColumns _kept;
    private readonly Stack<PrefixColumn> _spare = [];
    private readonly PagePool _pool;
    private readonly int _headCount;

    // Null where all layers keep all rows.
    private readonly ColumnWindows? _windows;
    private readonly int _leastPages;
    private int _madeCount;
    private int _rootCount;
    private int _idleCount;
    private int _pinnedCount;
    private long _useCount;

    // Columns that those who have entered may still add.
    private long _awaited;
    private (long Hits, long Stored, long Misses, long Resumed, long Added, long Evicted, long Retokenised) _counts;

    /// <param name="pool">Whose pages they are.</param>
    /// <param name="places">Which pages heads have their rows in.</param>
    /// <param name="windows">Of layers that keep only rows in sight; null where none does.</param>
    public PrefixCache(PagePool pool, KvPlaces places, KvWindows? windows)
    {
        (_pool, _headCount, _kept, Parts) = (pool, places.ListCount, new KeptColumns(_leaves), new IndexParts(pool));
        _windows = windows is null ? null : new ColumnWindows(pool, windows, places);
        _leastPages = _headCount - (windows?.HeadCount ?? 0);
    }

    /// <summary>Pages that nobody uses.</summary>
    public long IdlePages => ((long)_idleCount * _headCount) - (_windows?.MissingPages ?? 0);

    /// <summary>What policies have indexed of the rows.</summary>
    public IndexParts Parts { get; }

    /// <summary>Of the rows of a column.</summary>
    public long ColumnBytes => (long)_headCount * _pool.PageBytes;

    /// <summary>Bytes of rows that are pinned, each counted once.</summary>
    public long PinnedBytes => _pinnedCount * ColumnBytes;

    /// <summary>For messages: nothing where nothing is pinned.</summary>
    public string PinnedNote => _pinnedCount == 0 ? "" : $"; {PinnedBytes} bytes are pinned";

    /// <summary>Bytes that can be given back.</summary>
    public long FreeableBytes => ((IdlePages + (_windows?.SparePages ?? 0)) * _pool.PageBytes) + Parts.Bytes;

    private int ColumnCount => _table.Count - _rootCount;

    public PrefixFigures Figures => new((long)ColumnCount * Rows, (long)_idleCount * Rows, IdlePages * _pool.PageBytes)
    {
        HitTokens = _counts.Hits,
        StoredHitTokens = _counts.Stored,
        MissTokens = _counts.Misses,
        ResumedTokens = _counts.Resumed,
        AddedColumns = _counts.Added,
        EvictedColumns = _counts.Evicted,
        RetokenisedPrompts = _counts.Retokenised,
        IndexBytes = Parts.Bytes,
        PinnedTokens = (long)_pinnedCount * Rows,
        KeptTokens = (long)_kept.Count * Rows,
    };

    /// <summary>
    /// Gives a sequence the columns that it begins with, as many as there are of its first <paramref name="mostRows"/> rows: they stay for it until it leaves.
    /// </summary>
    /// <param name="tokens">Of the sequence.</param>
    /// <param name="room">Rows that there is to be room for at first.</param>
    public void Enter(PrefixPath path, ReadOnlySpan<int> tokens, int mostRows, int room)
    {
        Invariant.Holds(!path.IsEntered);
        path.Reserve(room / Rows);
        var isInCommon = IsLongerInCommon(path, tokens, mostRows);
        var name = isInCommon ? path.Common!.Root : path.Root;
        var root = _table.Find(name) ?? AddRoot(name);
        root.Users++;
        path.Begin(root, isInCommon);
        _awaited += path.Capacity;
        TakeMore(path, tokens, mostRows);
        _windows?.Expect(path);
        FindSplit(path, tokens);
        Reserve();
    }

    /// <summary>Gives a sequence what has come meanwhile of the columns that it would compute next.</summary>
    public void TakeMore(PrefixPath path, ReadOnlySpan<int> tokens, int mostRows)
    {
        if (_windows is not null && !path.ComputesNothing)
            mostRows = Math.Min(mostRows, Rows * Length(path, (path.Tip, path.Count, path.IsInCommon), tokens, mostRows));
        for (Grow(path); path.RowCount + Rows <= mostRows && Find(path, tokens) is { } column; Grow(path))
            Take(path, column);
    }

    /// <summary>Counts tokens of a prompt that were there.</summary>
    /// <param name="isAgain">Whether the sequence had computed them before it was preempted.</param>
    /// <param name="isStored">Whether they came from beyond memory.</param>
    public void CountHits(int tokens, bool isAgain, bool isStored)
    {
        _counts.Stored += isStored && !isAgain ? tokens : 0;
        _counts.Hits += isAgain ? 0 : tokens;
        _counts.Resumed += isAgain ? tokens : 0;
    }

    /// <summary>Counts a prompt whose text went on as what it left.</summary>
    public void CountRetokenised() => _counts.Retokenised++;

    /// <summary>Counts tokens of a prompt that is over and that were not there.</summary>
    public void CountMisses(int tokens) => _counts.Misses += tokens;

    /// <summary>Adds the columns of a sequence that are full by now. Where another was faster, it goes on with that one's pages, and returns its own.</summary>
    /// <param name="tokens">Of the sequence.</param>
    /// <param name="rows">Rows, from the first, that may be shared.</param>
    public void Add(PrefixPath path, SequenceCache cache, ReadOnlySpan<int> tokens, int rows)
    {
        while (path.RowCount + Rows <= rows && path.IsOpen)
        {
            Grow(path);
            var name = path.Name(path.Count, tokens);
            var own = tokens.Slice(path.RowCount, Rows);
            if (_table.Find(name) is not { } known)
                AddColumn(path, cache, name, own);
            else if (known.Continues(path.Tip, own))
                Join(path, cache, known);
            else
                path.Close();
        }
    }

    /// <summary>Bytes that would be pinned beside those that are.</summary>
    public long BytesToPin(PrefixPath path)
    {
        var columns = 0;
        foreach (var column in path.Columns)
            columns += column.Pins == 0 ? 1 : 0;
        return columns * ColumnBytes;
    }

    /// <summary>Counts the columns of one who has entered as pinned, until it leaves.</summary>
    public void Pin(PrefixPath path)
    {
        path.IsPinned = true;
        foreach (var column in path.Columns)
            _pinnedCount += column.Pins++ == 0 ? 1 : 0;
    }

    /// <summary>Says how many bytes of columns may be kept for a time.</summary>
    public void Bound(long mostKeptBytes) => _kept.MostCount = mostKeptBytes / ColumnBytes;

    /// <summary>Says what time it is: what has had its time is kept no longer.</summary>
    public void Sweep(long nowMs) => _kept.Sweep(nowMs);

    /// <summary>Says that a sequence needs its columns no longer: the time of those begins that it wants to be kept.</summary>
    /// <param name="isFaulty">Whether the columns that it added are to go: something is wrong with it, and may be with them.</param>
    public void Leave(PrefixPath path, bool isFaulty = false)
    {
        if (!path.IsEntered)
            return;
        for (var i = 0; i < path.Keeps.Count && !isFaulty; i++)
            _kept.Keep(path.Columns[..Math.Min(path.Count, path.Keeps[i].Tokens / Rows)], (long)path.Keeps[i].Time.TotalMilliseconds, path.Tenant);
        _useCount++;
        _awaited -= path.Capacity - path.Count;
        for (var i = path.Count - 1; i >= 0; i--)
        {
            var column = path.Columns[i];
            column.LastUse = _useCount;
            _pinnedCount -= path.IsPinned && --column.Pins == 0 ? 1 : 0;
            if (path.HoldsWindows)
                _windows?.LetGo(column);
            _windows?.Leave(column);
            if (--column.Users > 0)
                continue;
            _windows?.CountUse(column, -1);
            _idleCount++;
            AddLeaf(column);
            if (((isFaulty && i >= path.FoundCount) || !path.StaysIdle) && column.IsIdleLeaf)
                Remove(column);
        }

        var root = path.Start!;
        path.End();
        root.Users--;
        DropRoot(root);
    }

    /// <summary>
    /// Gives back at least so many bytes, at least 1: columns that nobody uses with what is indexed of them, and then, if that is not enough, what is indexed
    /// of others. False, with nothing given, when there are not so many.
    /// </summary>
    public bool TryEvict(long bytes)
    {
        if (FreeableBytes < bytes)
            return false;
        bytes -= _windows?.Drop(bytes) ?? 0;
        while (bytes > 0 && _leaves.Count > 0)
            bytes -= Evict();
        if (bytes > 0)
            Parts.Drop(bytes);
        return true;
    }

    /// <summary>Gives back all that nobody uses, and what is indexed of the rest.</summary>
    public void Clear()
    {
        while (_leaves.Count > 0)
            Evict();
        _windows?.Drop(long.MaxValue);
        Parts.Drop(Parts.Bytes);
    }

    /// <summary>Checks that the tree agrees with itself: counts, who may go, and that every page is in use.</summary>
    public void Verify()
    {
        Invariant.Holds(_idleCount >= _leaves.Count && _idleCount + _pinnedCount <= ColumnCount);
        Invariant.Holds(_madeCount == ColumnCount + _spare.Count && (_idleCount == 0) == (_leaves.Count == 0));
        Invariant.Holds(Parts.Bytes <= _pool.Memory.Figures.IndexBytes);
        _windows?.Verify(_idleCount);
    }

    private PrefixColumn? Find(PrefixPath path, ReadOnlySpan<int> tokens) => Next(path, path.Tip, path.Count, path.IsInCommon, tokens);

    // The column that follows another: of the tree that is there for every tenant, or else of the path's own chain, which may have begun there.
    private PrefixColumn? Next(PrefixPath path, PrefixColumn before, int count, bool isInCommon, ReadOnlySpan<int> tokens)
    {
        var own = tokens.Slice(count * Rows, Rows);
        if (isInCommon && _table.Find(path.Common!.Name(count, tokens)) is { } common && common.Continues(before, own))
            return common;
        return _table.Find(path.Name(count, tokens)) is { } column && column.Continues(before, own) ? column : null;
    }

    private bool IsLongerInCommon(PrefixPath path, ReadOnlySpan<int> tokens, int mostRows) =>
        path.Common is { } common && _table.Find(common.Root) is { } start && Length(path, (start, 0, true), tokens, mostRows) is var length and > 0
            && (_table.Find(path.Root) is not { } own || length > Length(path, (own, 0, false), tokens, mostRows));

    // Columns that there are of the tokens, from one that is there on, as far as a sequence can go on behind them: it has to see what windows reach.
    private int Length(PrefixPath path, (PrefixColumn Tip, int Count, bool IsInCommon) from, ReadOnlySpan<int> tokens, int mostRows)
    {
        var ((tip, count, isInCommon), length, bareEnd) = (from, from.Count, 0);
        while ((count + 1) * Rows <= mostRows && Next(path, tip, count, isInCommon, tokens) is { } next)
        {
            isInCommon = isInCommon && next.Name.Equals(path.Common!.Name(count, tokens));
            (count, tip) = (count + 1, next);
            bareEnd = _windows?.Has(next) == false ? count : bareEnd;
            length = _windows is null || path.ComputesNothing || _windows.FirstSeen(count) >= bareEnd ? count : length;
        }

        return length;
    }

    // Where what follows has tokens that this one has not. What is there of the tokens may be all of them.
    private static void FindSplit(PrefixPath path, ReadOnlySpan<int> tokens)
    {
        // What follows a column that is there for every tenant may be another's.
        if (path.IsInCommon)
            return;
        var left = tokens[path.RowCount..];
        if (path.Tip.Nearest(left) is { } nearest && left.CommonPrefixLength(nearest.Tokens) is var common && common < Math.Min(left.Length, Rows))
            (path.DivergedAt, path.LeftAt) = (path.RowCount + common, nearest);
    }

    private void Take(PrefixPath path, PrefixColumn column)
    {
        if (column.Users++ == 0)
        {
            _idleCount--;
            _windows?.CountUse(column, 1);
            RemoveLeaf(column);
        }

        _kept.Renew(column);
        _awaited--;
        path.FoundCount += path.FoundCount == path.Count ? 1 : 0;
        path.Append(column);
        if (path.HoldsWindows)
            _windows?.Hold(column);
        else
            _windows?.Pass(path);
    }

    private void AddColumn(PrefixPath path, SequenceCache cache, ColumnName name, ReadOnlySpan<int> tokens)
    {
        Invariant.Holds(_spare.Count > 0);
        var column = _spare.Pop();
        column.Begin(name, path.Tip, tokens);
        cache.KeepColumn(path.Count, column.Pages);
        column.Users = 1;
        column.LastUse = _useCount;
        _table.Add(column);
        path.AppendAdded(column);
        _windows?.Pass(path);
        _awaited--;
        _counts.Added++;
    }

    private void Join(PrefixPath path, SequenceCache cache, PrefixColumn known)
    {
        Take(path, known);
        cache.ExchangeColumn(path.Count - 1, known.Pages);
    }

    private PrefixColumn AddRoot(ColumnName name)
    {
        var root = new PrefixColumn(0);
        root.Begin(name, parent: null, []);
        _rootCount++;
        _table.Reserve(_madeCount + _rootCount);
        _table.Add(root);
        return root;
    }

    private void DropRoot(PrefixColumn root)
    {
        if (root.Users > 0 || root.Children > 0)
            return;
        _table.Remove(root);
        _rootCount--;
    }

    private void Grow(PrefixPath path)
    {
        if (path.Count < path.Capacity || !path.IsOpen)
            return;
        path.Reserve(2 * path.Count + 1);
        _awaited += path.Capacity - path.Count;
        Reserve();
    }

    // Every column has pages of its own: there are never more than the pool has.
    private void Reserve()
    {
        var wanted = (int)Math.Min(_awaited, (_leastPages == 0 ? int.MaxValue : _pool.PageLimit / _leastPages) - ColumnCount);
        for (; _spare.Count < wanted; _madeCount++)
            _spare.Push(new PrefixColumn(_headCount));
        _spare.EnsureCapacity(_madeCount);
        _table.Reserve(_madeCount + _rootCount);
        _leaves.Reserve(_madeCount);
    }

    // Returns the bytes that it gives back.
    private long Evict()
    {
        _counts.Evicted++;
        return Remove(_leaves.First);
    }

    private long Remove(PrefixColumn column)
    {
        var bytes = Parts.Drop(column);
        _windows?.Forget(column);
        _kept.Drop(column);
        RemoveLeaf(column);
        var parent = column.Parent!;
        column.End();
        _table.Remove(column);
        foreach (var page in column.Pages)
        {
            if (page == PageTable.Vacant)
                continue;
            _pool.LetGo(page);
            bytes += _pool.PageBytes;
        }

        _idleCount--;
        _spare.Push(column);
        AddLeaf(parent);
        if (parent.Parent is null)
            DropRoot(parent);
        return bytes;
    }

    private void AddLeaf(PrefixColumn column)
    {
        if (column.IsIdleLeaf)
            _leaves.Add(column);
    }

    private void RemoveLeaf(PrefixColumn column)
    {
        if (column.LeafPlace >= 0)
            _leaves.Remove(column);
    }
}
