using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Models;
using Kvasir.Tiers;

namespace Kvasir.Requests.Scheduling;

/// <summary>
/// What sequences find beyond memory, and what they leave there. One that has begun waits with its prompt while rows come: they go into the prefix cache, from
/// which it takes them as it takes what others compute. When it ends, its columns are written behind everything else. For the engine's thread.
/// </summary>
internal sealed class StoredPrefixes : IDisposable
{
    // A shorter one is computed about as soon as it is read, and would be most of what there is.
    private const int LeastColumns = 512 / PagePool.PageTokens;
    // Of one that gives way: fewer are computed again about as soon as others have waited until they are written.
    private const int LeastGivenRows = 4096;
    private static readonly TimeSpan WaitTime = TimeSpan.FromMilliseconds(20);
    private readonly KvCache _cache;
    private readonly IReadOnlyList<IPrefixStore> _stores;
    private readonly string _origin;
    private readonly List<ColumnLoad> _loads = [];
    private readonly PrefixReads? _reads;
    private readonly PrefixWrites? _writes;
    private long _lateCount;

    /// <param name="options">With no stores for nothing beyond memory.</param>
    public StoredPrefixes(KvCache cache, Model model, EngineOptions options)
    {
        var (stores, time) = (options.PrefixStores, options.Time);
        (_cache, _stores) = (cache, stores);
        _origin = $"{MessageText.Line(model.Config.Name)} {cache.Pool.Layout.Format.Name}";
        if (stores.Count > 0)
            (_reads, _writes) = (new PrefixReads(stores, time), new PrefixWrites(cache, stores, time) { BytesPerSecond = options.PrefixBytesPerSecond });
    }

    /// <summary>Reads that took so long that nobody waited for them.</summary>
    public long LateCount => Volatile.Read(ref _lateCount);

    /// <summary>Chains that were not written, since too many waited or their memory was needed.</summary>
    public long LeftCount => _writes?.LeftCount ?? 0;

    /// <summary>Whether rows are on their way.</summary>
    public bool IsLoading => _loads.Count > 0;

    /// <summary>Whether memory comes back when rows are written of those that gave way.</summary>
    public bool IsWriting => _writes?.IsAwaited == true;

    /// <summary>Begins to bring what there is of a sequence that has begun, behind what memory has.</summary>
    public void Begin(Sequence sequence)
    {
        if (_reads is null || sequence is not { Prefix: { IsOpen: true } path, Shared: null } || sequence.Ticket.StaysToItsEnd || _reads.IsLate)
            return;
        var mostColumns = PrefixReuse.MostRows(sequence) / PagePool.PageTokens;
        if (path.Count >= mostColumns)
            return;
        var chunks = Longer(Known(path, sequence, path.Count), path.Common is null ? [] : Known(path.Common, sequence, path.Count));
        if (chunks.Length == 0)
            return;
        if (_loads.Find(load => !load.IsOver && load.Brings(chunks[0].Name)) is { } begun)
        {
            begun.Waiters++;
            Await(sequence, begun);
            return;
        }

        var first = path.Count / PrefixChunk.MostColumns * PrefixChunk.MostColumns;
        var columns = first + chunks.Sum(static chunk => chunk.ColumnCount);
        var own = new PrefixPath(_cache.Prefixes, path.Root) { Common = path.Common is { Root: var common } ? new PrefixPath(_cache.Prefixes, common) : null };
        if (RestoredColumns.TryBegin(_cache, own, sequence.Tokens[..(Math.Min(columns, mostColumns) * PagePool.PageTokens)].ToArray()) is not { } restored)
            return;
        var load = new ColumnLoad(_reads.Begin(chunks), restored, first, Math.Min(columns, mostColumns));
        _loads.Add(load);
        Await(sequence, load);
    }

    /// <summary>Takes what has come. Before those who wait look for it.</summary>
    public void Take()
    {
        _writes?.Sweep();
        foreach (var load in _loads)
        {
            if (load.TryTake())
                _reads!.Go();
            if (load.IsOver || !_reads!.IsLate)
                continue;
            _lateCount++;
            load.End();
        }
    }

    /// <summary>Ends those loads of which all has come and was found.</summary>
    public void Tend(List<Sequence> running)
    {
        foreach (var sequence in running)
        {
            if (sequence.Load is not { IsOver: true } load)
                continue;
            EndWait(sequence);
            load.Waiters--;
            // Somebody else's may have ended before what this one has.
            if (load.Waiters > 0)
                Begin(sequence);
        }

        for (var i = _loads.Count - 1; i >= 0; i--)
        {
            if (_loads[i].Waiters == 0)
                Drop(_loads[i]);
        }
    }

    /// <summary>Waits for rows to come, or to be written, or for a while: when there is nothing else to do.</summary>
    public void Wait()
    {
        if (IsLoading)
            _reads!.Wait(WaitTime);
        else if (IsWriting)
            _writes!.Wait(WaitTime);
    }

    /// <summary>
    /// How long it is worth to wait until the rows of one that gives way are written, so that they are read and not computed again: 0 where they are few, or
    /// reading takes half as long as computing, or longer.
    /// </summary>
    /// <param name="rowMs">What computing a row of it takes; NaN where that is not known.</param>
    public double PatienceMs(Sequence sequence, double rowMs)
    {
        var rows = (sequence.Prefix?.Count ?? 0) * PagePool.PageTokens;
        if (_writes is null || rows <= LeastGivenRows || sequence.Ticket.Preemptions >= Ticket.MostPreemptions)
            return 0;
        var mostMs = rows * rowMs / 2;
        return _reads!.EstimatedMs(rows / PagePool.PageTokens * _cache.Prefixes.ColumnBytes) < mostMs ? mostMs : 0;
    }

    /// <summary>A sequence is about to leave: it waits for nothing, and what it has is written if it ends for good, or others wait for that.</summary>
    /// <param name="patienceMs">How long they do.</param>
    public void Leave(Sequence sequence, bool isWritten, double patienceMs = 0)
    {
        if (sequence.Load is { } load)
        {
            EndWait(sequence);
            if (--load.Waiters == 0)
                Drop(load);
        }

        if (!isWritten || _writes is null || sequence is not { Prefix: { IsEntered: true, Count: >= LeastColumns } path, Shared: null, Fault: null })
            return;
        // Behind a column whose rows are gone of layers with a window nothing could be read again.
        var count = path.WholeCount;
        var tokens = sequence.Tokens[..(count * PagePool.PageTokens)];
        var names = new PrefixPath(_cache.Prefixes, path.Root);
        var chunks = new List<PrefixChunk>();
        for (var first = 0; first < count; first += PrefixChunk.MostColumns)
            chunks.Add(Chunk(names, sequence.Tokens, first, Math.Min(PrefixChunk.MostColumns, count - first)));
        if (chunks.TrueForAll(chunk => _stores.All(store => store.IsKnown(chunk.Name))))
            return;
        _writes.Add(path.Copy(tokens, holdsWindows: true), [.. chunks], patienceMs);
    }

    /// <summary>Gives up what waits to be written, since others need the memory. False when there is nothing.</summary>
    /// <param name="leastMs">What came later than so long ago may go on: somebody else will give memory back.</param>
    public bool Yield(double leastMs = 0) => _writes?.Yield(leastMs) ?? false;

    /// <summary>The same of what is awaited too: there is nobody whose memory could come back.</summary>
    public bool YieldAll() => _writes?.Clear() ?? false;

    /// <summary>Forgets what is on its way in both directions: it may be wrong.</summary>
    public void Clear()
    {
        YieldAll();
        foreach (var load in _loads)
            load.Leave();
        _loads.Clear();
    }

    /// <summary>Writes what is left. Then nobody reads pages of the cache any more.</summary>
    public void Dispose()
    {
        foreach (var load in _loads)
            load.Leave();
        _loads.Clear();
        _reads?.Dispose();
        _writes?.Dispose();
    }

    private static void Await(Sequence sequence, ColumnLoad load)
    {
        sequence.Load = load;
        sequence.Timings.MarkLoad();
    }

    private static void EndWait(Sequence sequence)
    {
        sequence.Load = null;
        sequence.Timings.MarkLoadEnd();
    }

    private void Drop(ColumnLoad load)
    {
        load.Leave();
        _loads.Remove(load);
    }

    // Chunks that are known to be there, from the one on that has the next column: whole ones, and one that ends the chain.
    private PrefixChunk[] Known(PrefixPath names, Sequence sequence, int nextColumn)
    {
        var tokens = sequence.Tokens[..sequence.PrefillCount];
        var chunks = new List<PrefixChunk>();
        var columns = tokens.Length / PagePool.PageTokens;
        for (var first = nextColumn / PrefixChunk.MostColumns * PrefixChunk.MostColumns; first < columns; first += PrefixChunk.MostColumns)
        {
            var most = Math.Min(PrefixChunk.MostColumns, columns - first);
            var count = Longest(names, tokens, first, most, isCertain: true) is var certain and > 0 ? certain
                : Longest(names, tokens, first, most, isCertain: false);
            if (count == 0 || first + count <= nextColumn)
                break;
            chunks.Add(Chunk(names, tokens, first, count));
            if (count < PrefixChunk.MostColumns)
                break;
        }

        return [.. chunks];
    }

    // A store that would have to be asked may have anything: what another is known to have goes first.
    private int Longest(PrefixPath names, ReadOnlySpan<int> tokens, int first, int most, bool isCertain)
    {
        for (var count = most; count > 0; count--)
        {
            var name = names.Name(first + count - 1, tokens).ToHex();
            foreach (var store in _stores)
            {
                if (store.MayHave(name) && (!isCertain || store.IsKnown(name)))
                    return count;
            }
        }

        return 0;
    }

    private PrefixChunk Chunk(PrefixPath names, ReadOnlySpan<int> tokens, int first, int count) => new(
        names.Name(first + count - 1, tokens).ToHex(), first == 0 ? names.Root.ToHex() : names.Name(first - 1, tokens).ToHex(), names.Root.ToHex(),
        tokens.Slice(first * PagePool.PageTokens, count * PagePool.PageTokens).ToArray(), checked((int)_cache.Prefixes.ColumnBytes))
    { Origin = _origin };

    private static PrefixChunk[] Longer(PrefixChunk[] one, PrefixChunk[] other) =>
        other.Sum(static chunk => chunk.ColumnCount) > one.Sum(static chunk => chunk.ColumnCount) ? other : one;
}
