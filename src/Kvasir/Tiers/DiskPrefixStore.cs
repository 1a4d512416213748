using Kvasir.Files;
using Kvasir.Kernels.Memory;

namespace Kvasir.Tiers;

/// <summary>
/// Beginnings of prompts in a folder, found again by the next process. Rows are added to segments, and named in an index when they have been written: a name
/// never stands for half of them, whatever ends the process. The folder has one owner at a time; others read what was there when they came. What cannot be
/// written is left out, and tried again after a minute.
/// </summary>
public sealed class DiskPrefixStore : IPrefixStore
{
    private const long BatchBytes = 64 << 20;
    private static readonly TimeSpan RetryTime = TimeSpan.FromMinutes(1);

    // Of the index, of the figures, and of what is pending; nobody reads or writes a file within.
    private readonly Lock _gate = new();

    // One writes at a time.
    private readonly Lock _writing = new();
    private readonly PrefixStoreOptions _options;
    private readonly StoreFolder _folder;
    private readonly List<StoredChunk> _pending = [];
    private StoreFiles _files;
    private long _retryAt;
    private string? _problem;
    private (long Read, long Written, long Evicted, long Damaged, long ReadErrors, long WriteErrors) _counts;
    private bool _isClosed;

    private DiskPrefixStore(string path, PrefixStoreOptions options)
    {
        (_options, _folder) = (options, new StoreFolder(path));
        _problem = options.ReadsOnly ? "it is only read" : _folder.TryOwn();
        _retryAt = Now(RetryTime);
        _files = OpenFiles();
    }

    public string Tier => "disk";

    /// <summary>The folder.</summary>
    public string Path => _folder.Path;

    public PrefixStoreFigures Figures
    {
        get
        {
            using var gate = _gate.EnterScope();
            return new PrefixStoreFigures
            {
                IsUp = _problem is null,
                Problem = _problem,
                Chunks = _files.Index.Count,
                Bytes = _files.Segments.Bytes,
                ReadBytes = _counts.Read,
                WrittenBytes = _counts.Written,
                EvictedChunks = _counts.Evicted,
                Damaged = _counts.Damaged,
                ReadErrors = _counts.ReadErrors,
                WriteErrors = _counts.WriteErrors,
            };
        }
    }

    /// <summary>
    /// Opens the store in a folder, which is made if it is not there. Where it belongs to another process, or cannot be written to, it is only read:
    /// <see cref="Figures"/> say why.
    /// </summary>
    /// <exception cref="KvasirException">The options are out of range, or what is in the folder cannot be read.</exception>
    public static DiskPrefixStore Open(string path, PrefixStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new PrefixStoreOptions();
        options.Validate();
        try
        {
            return new DiskPrefixStore(System.IO.Path.GetFullPath(path), options);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"the store of prefixes in {path} cannot be read: {problem.Message}", problem);
        }
    }

    /// <summary>Whether there is a store in a folder.</summary>
    public static bool IsIn(string path) => StoreFolder.Is(path);

    public bool MayHave(string name)
    {
        using var gate = _gate.EnterScope();
        return !_isClosed && _files.Index.Find(name) is not null;
    }

    public bool IsKnown(string name) => MayHave(name);

    /// <summary>What it has, by origin: the ones that were used longest ago first.</summary>
    public IReadOnlyList<StoredOrigin> List()
    {
        using var gate = _gate.EnterScope();
        return [.. _files.Index.ByUse.GroupBy(static stored => (stored.Chunk.Root, stored.Chunk.Origin)).Select(static chunks => new StoredOrigin(
            chunks.Key.Origin, chunks.Count(static stored => stored.Children.Count == 0), chunks.Sum(static stored => (long)stored.Chunk.Tokens.Length),
            chunks.Sum(static stored => stored.Bytes), DateTimeOffset.FromUnixTimeSeconds(chunks.Max(static stored => stored.UsedAt))))];
    }

    public bool TryRead(PrefixChunk chunk, Span<byte> rows)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        if (Locate(chunk) is not { } place)
            return false;
        using var memory = NativeBuffer.Uninitialized(ChunkRecord.BytesOf(chunk));
        var record = memory.Span<byte>(checked((int)ChunkRecord.BytesOf(chunk)));
        // Once more, should the device have erred.
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (!TryRead(place, record) || !ChunkRecord.IsOf(chunk, record))
                continue;
            ChunkRecord.Rows(chunk, record).CopyTo(rows);
            using var gate = _gate.EnterScope();
            _counts.Read += record.Length;
            return true;
        }

        Drop(chunk, place);
        return false;
    }

    public bool TryWrite(PrefixChunk chunk, ReadOnlySpan<byte> rows)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        using var writing = _writing.EnterScope();
        if (!MayWrite())
            return false;
        using (_gate.EnterScope())
        {
            if (_files.Index.Find(chunk.Name) is { } known)
            {
                _files.Index.Touch(known, Seconds());
                return known.Chunk.IsSame(chunk);
            }

            if (_pending.Exists(pending => pending.Chunk.Name == chunk.Name))
                return true;
            if (!_files.Index.Continues(chunk) && !_pending.Exists(pending => pending.Chunk.Name == chunk.Parent))
                return false;
        }

        var bytes = ChunkRecord.BytesOf(chunk);
        using var memory = NativeBuffer.Uninitialized(bytes);
        ChunkRecord.Write(chunk, rows, memory.Span<byte>(checked((int)bytes)));
        return Try(() => Write(chunk, memory.Span<byte>((int)bytes)));
    }

    public void Flush()
    {
        using var writing = _writing.EnterScope();
        if (_problem is null && !_isClosed)
            Try(Publish);
    }

    /// <summary>Reads all that it has, and forgets what is damaged.</summary>
    /// <param name="progress">Told how many chunks were read.</param>
    /// <returns>Chunks that were whole, and those that were not.</returns>
    public (int Whole, int Damaged) Verify(Action<int>? progress = null)
    {
        StoredChunk[] all;
        using (_gate.EnterScope())
            all = [.. _files.Index.ByUse];
        var (whole, damaged) = (0, 0);
        foreach (var stored in all)
        {
            using var rows = NativeBuffer.Uninitialized(stored.Chunk.Bytes);
            var isWhole = TryRead(stored.Chunk, rows.Span<byte>(stored.Chunk.Bytes));
            (whole, damaged) = (whole + (isWhole ? 1 : 0), damaged + (isWhole ? 0 : 1));
            progress?.Invoke(whole + damaged);
        }

        return (whole, damaged);
    }

    /// <summary>Forgets all that it has.</summary>
    /// <exception cref="KvasirException">It belongs to another process, or cannot be written to.</exception>
    public void Clear()
    {
        using var writing = _writing.EnterScope();
        if (_problem is not null || !Try(() => _files.Clear(_gate)))
            throw new KvasirException(KvasirError.BadOption, $"the store of prefixes in {Path} cannot be cleared: {_problem}");
    }

    /// <summary>What was taken is written out; the folder is free for others.</summary>
    public void Dispose()
    {
        Flush();
        using var writing = _writing.EnterScope();
        if (_isClosed)
            return;
        if (_problem is null)
            Try(() => _files.Snapshot());
        using var gate = _gate.EnterScope();
        _isClosed = true;
        _files.Dispose();
        _folder.Dispose();
    }

    // A folder that is full or was made read-only since is read as it lies.
    private StoreFiles OpenFiles()
    {
        try
        {
            return StoreFiles.Open(_folder, _options);
        }
        catch (Exception problem) when (_folder.IsOwner && problem is (IOException or UnauthorizedAccessException))
        {
            _problem = problem.Message;
            _folder.Dispose();
            return StoreFiles.Open(_folder, _options);
        }
    }

    private (int Segment, long Offset)? Locate(PrefixChunk chunk)
    {
        using var gate = _gate.EnterScope();
        if (_isClosed || _files.Index.Find(chunk.Name) is not { } stored)
            return null;
        if (!stored.Chunk.IsSame(chunk))
        {
            _counts.Damaged++;
            return null;
        }

        _files.Index.Touch(stored, Seconds());
        return (stored.Segment, stored.Offset);
    }

    private bool TryRead((int Segment, long Offset) place, Span<byte> record)
    {
        try
        {
            return _files.Segments.TryRead(place.Segment, place.Offset, record);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            using var gate = _gate.EnterScope();
            _counts.ReadErrors++;
            return false;
        }
    }

    // Who forgets it for good is its owner; the file stays, whatever was wrong with reading it.
    private void Drop(PrefixChunk chunk, (int Segment, long Offset) place)
    {
        List<string> gone;
        using (_gate.EnterScope())
        {
            _counts.Damaged++;
            // It may have been moved meanwhile, and be whole where it is.
            if (_files.Index.Find(chunk.Name) is not { } stored || (stored.Segment, stored.Offset) != place)
                return;
            gone = _files.Index.Forget(stored);
        }

        using var writing = _writing.EnterScope();
        if (_problem is null && !_isClosed)
            Try(() => _files.Log.Append([], gone, syncs: false));
    }

    private void Write(PrefixChunk chunk, ReadOnlySpan<byte> record)
    {
        MakeRoom(record.Length);
        _options.Writing?.Invoke("chunk");
        var (segment, offset) = _files.Segments.Append(record);
        _pending.Add(new StoredChunk(chunk) { Segment = segment, Offset = offset, UsedAt = Seconds() });
        using (_gate.EnterScope())
            _counts.Written += record.Length;
        if (_pending.Sum(static stored => stored.Bytes) >= BatchBytes)
            Publish();
    }

    // The rows first, then their names.
    private void Publish()
    {
        if (_pending.Count == 0)
            return;
        _options.Writing?.Invoke("sync");
        _files.Segments.Sync();
        _options.Writing?.Invoke("names");
        _files.Log.Append(_pending, [], syncs: true);
        List<string> gone = [];
        using (_gate.EnterScope())
        {
            foreach (var stored in _pending)
            {
                // What it follows may have gone for want of room.
                if (!_files.Index.Continues(stored.Chunk))
                    continue;
                _files.Index.Add(stored);
                foreach (var within in _files.Index.Within(stored.Chunk))
                    gone.AddRange(_files.Index.Forget(within));
            }

            _pending.Clear();
        }

        _files.Log.Append([], gone, syncs: false);
    }

    private void MakeRoom(long recordBytes)
    {
        // It may be the first of a segment.
        var bytes = recordBytes + SegmentFiles.HeaderBytes;
        var (free, all) = _folder.Room();
        var reserve = _options.ReserveBytes ?? Math.Max(all / 20, 1L << 30);
        if (free - bytes < reserve)
            throw new IOException($"{free} bytes of the file system are free, and {reserve} of them are left to others");
        if (_files.Segments.Bytes + bytes <= _options.LimitBytes)
            return;
        Publish();
        var evicted = _files.MakeRoom(_gate, _options.LimitBytes - bytes, _options.Writing);
        using var gate = _gate.EnterScope();
        _counts.Evicted += evicted;
    }

    private bool MayWrite()
    {
        if (_isClosed)
            return false;
        if (_problem is null)
            return true;
        if (_options.ReadsOnly || Now(TimeSpan.Zero) < _retryAt)
            return false;
        // The folder may be another by now, or have had another owner: what is in it is read anew.
        _retryAt = Now(RetryTime);
        if (_folder.TryOwn() is { } problem)
        {
            _problem = problem;
            return false;
        }

        return Try(() =>
        {
            var files = StoreFiles.Open(_folder, _options);
            using var gate = _gate.EnterScope();
            _files.Dispose();
            (_files, _problem) = (files, null);
        });
    }

    private bool Try(Action write)
    {
        try
        {
            write();
            return true;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            // A file that would be too large is an argument to .NET.
            using var gate = _gate.EnterScope();
            _pending.Clear();
            _counts.WriteErrors++;
            (_problem, _retryAt) = (problem.Message, Now(RetryTime));
            return false;
        }
    }

    // In ticks of the clock that only goes forward.
    private long Now(TimeSpan later) => _options.Time.GetTimestamp() + (long)(later.TotalSeconds * _options.Time.TimestampFrequency);

    private long Seconds() => _options.Time.GetUtcNow().ToUnixTimeSeconds();
}
