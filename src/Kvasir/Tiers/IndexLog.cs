using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Kvasir.Kernels.Files;
using Microsoft.Win32.SafeHandles;

namespace Kvasir.Tiers;

/// <summary>
/// What a store has, as a file: entries are added when the rows that they name have been written, and count only when they are whole. It is written anew, and
/// replaced by a file with the next number, when most of what it says is over. Numbers are little endian:
/// <code>
/// 0 magic   8 version   12 nothing   16 entries: bytes of what follows, XXH3 of that, then 1 for a chunk that is there, or 2 and the name of one that is not
/// </code>
/// </summary>
internal sealed class IndexLog : IDisposable
{
    private const int HeaderBytes = 16;
    private const int FrameBytes = sizeof(int) + sizeof(ulong);
    private const uint Version = 1;
    private const byte There = 1;
    private const byte Gone = 2;
    private const int MostEntryBytes = 64 << 10;
    private const int MostOriginCharacters = 1024;
    private readonly string _folder;
    private SafeFileHandle? _file;
    private int _number;
    private long _length;

    private IndexLog(string folder) => _folder = folder;

    /// <summary>Entries in the file.</summary>
    public int EntryCount { get; private set; }

    /// <summary>Opens the newest file of a folder; no entries where there is none that can be read.</summary>
    /// <param name="found">Told of each chunk that is there, in order, and of the name of each that is not.</param>
    /// <exception cref="IOException">The folder or the file cannot be read.</exception>
    public static IndexLog Open(string folder, Action<StoredChunk?, string> found)
    {
        var log = new IndexLog(folder);
        if (Directory.Exists(folder))
        {
            foreach (var path in Directory.EnumerateFiles(folder, "*.log"))
            {
                if (int.TryParse(Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                    log._number = Math.Max(log._number, number);
            }
        }

        if (log._number > 0)
            log.Read(File.ReadAllBytes(log.PathOf(log._number)), found);
        return log;
    }

    /// <summary>Adds an entry for each chunk that is there and each name that is gone, and returns when they would outlast a loss of power.</summary>
    /// <exception cref="IOException">They cannot be written: none counts.</exception>
    public void Append(IReadOnlyList<StoredChunk> there, IReadOnlyList<string> gone, bool syncs)
    {
        if (there.Count + gone.Count == 0)
            return;
        var entries = new MemoryStream();
        Write(entries, there, gone);
        var bytes = entries.GetBuffer().AsSpan(0, (int)entries.Length);
        try
        {
            _file ??= File.OpenHandle(PathOf(_number), FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.Write(_file, bytes, _length);
            if (syncs)
                RandomAccess.FlushToDisk(_file);
        }
        catch
        {
            // What is there of them now is written over by the next, or is cut at the next start.
            _file?.Dispose();
            _file = null;
            throw;
        }

        (_length, EntryCount) = (_length + bytes.Length, EntryCount + there.Count + gone.Count);
    }

    /// <summary>Writes a file with these alone in place of the old one.</summary>
    /// <exception cref="IOException">It cannot be written: the old one stays.</exception>
    public void Rewrite(IEnumerable<StoredChunk> there)
    {
        var content = new MemoryStream();
        content.Write("KVSRINDX"u8);
        Span<byte> version = stackalloc byte[8];
        version.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(version, Version);
        content.Write(version);
        StoredChunk[] all = [.. there];
        Write(content, all, []);
        using (var written = new ReplacedFile(PathOf(_number + 1), content.Length))
        {
            written.Write(0, content.GetBuffer().AsSpan(0, (int)content.Length));
            written.Commit();
        }

        _file?.Dispose();
        _file = null;
        if (_number > 0)
            File.Delete(PathOf(_number));
        (_number, _length, EntryCount) = (_number + 1, content.Length, all.Length);
    }

    public void Dispose() => _file?.Dispose();

    private static void Write(MemoryStream file, IReadOnlyList<StoredChunk> there, IReadOnlyList<string> gone)
    {
        var entry = new MemoryStream();
        foreach (var stored in there)
        {
            entry.SetLength(0);
            WriteChunk(new BinaryWriter(entry, Encoding.UTF8, leaveOpen: true), stored);
            Frame(file, entry);
        }

        foreach (var name in gone)
        {
            entry.SetLength(0);
            entry.WriteByte(Gone);
            entry.Write(Convert.FromHexString(name));
            Frame(file, entry);
        }
    }

    private static void WriteChunk(BinaryWriter entry, StoredChunk stored)
    {
        var chunk = stored.Chunk;
        entry.Write(There);
        foreach (var name in (ReadOnlySpan<string>)[chunk.Name, chunk.Parent, chunk.Root])
            entry.Write(Convert.FromHexString(name));
        entry.Write(stored.Segment);
        entry.Write(stored.Offset);
        entry.Write(stored.UsedAt);
        entry.Write(chunk.ColumnBytes);
        entry.Write(chunk.Tokens.Length);
        foreach (var token in chunk.Tokens.Span)
            entry.Write(token);
        entry.Write(chunk.Origin.Length > MostOriginCharacters ? chunk.Origin[..MostOriginCharacters] : chunk.Origin);
    }

    private static void Frame(MemoryStream file, MemoryStream entry)
    {
        var bytes = entry.GetBuffer().AsSpan(0, (int)entry.Length);
        Span<byte> frame = stackalloc byte[FrameBytes];
        BinaryPrimitives.WriteInt32LittleEndian(frame, bytes.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(frame[sizeof(int)..], XxHash3.HashToUInt64(bytes, seed: bytes.Length));
        file.Write(frame);
        file.Write(bytes);
    }

    // Up to the first entry that is not whole: what a crash has left of the last.
    private void Read(byte[] content, Action<StoredChunk?, string> found)
    {
        var at = HeaderBytes;
        if (content.Length < HeaderBytes || !content.AsSpan().StartsWith("KVSRINDX"u8)
            || BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(8)) != Version)
            return;
        while (content.Length - at >= FrameBytes)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(at));
            if (length is <= 0 or > MostEntryBytes || length > content.Length - at - FrameBytes)
                break;
            var entry = content.AsSpan(at + FrameBytes, length);
            var sum = BinaryPrimitives.ReadUInt64LittleEndian(content.AsSpan(at + sizeof(int)));
            if (sum != XxHash3.HashToUInt64(entry, seed: length) || !TryTell(entry, found))
                break;
            (at, EntryCount) = (at + FrameBytes + length, EntryCount + 1);
        }

        _length = at;
    }

    private static bool TryTell(ReadOnlySpan<byte> entry, Action<StoredChunk?, string> found)
    {
        if (entry[0] == Gone && entry.Length == 1 + PrefixChunk.NameBytes)
        {
            found(null, Convert.ToHexString(entry[1..]));
            return true;
        }

        const int Fixed = 1 + (3 * PrefixChunk.NameBytes) + (2 * sizeof(long)) + (3 * sizeof(int));
        if (entry[0] != There || entry.Length < Fixed)
            return false;
        using var reader = new BinaryReader(new MemoryStream(entry[1..].ToArray()), Encoding.UTF8);
        try
        {
            string[] names = [Name(reader), Name(reader), Name(reader)];
            var (segment, offset, usedAt, columnBytes) = (reader.ReadInt32(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt32());
            var tokens = new int[Math.Clamp(reader.ReadInt32(), 0, MostEntryBytes / sizeof(int))];
            for (var i = 0; i < tokens.Length; i++)
                tokens[i] = reader.ReadInt32();
            var chunk = new PrefixChunk(names[0], names[1], names[2], tokens, columnBytes) { Origin = reader.ReadString() };
            if (!IsSound(chunk) || segment < 0 || offset < 0)
                return false;
            found(new StoredChunk(chunk) { Segment = segment, Offset = offset, UsedAt = usedAt }, chunk.Name);
            return true;
        }
        catch (Exception problem) when (problem is EndOfStreamException or FormatException)
        {
            return false;
        }
    }

    // A sum says that nothing has changed since somebody wrote it, whoever that was.
    private static bool IsSound(PrefixChunk chunk) => chunk.ColumnCount is > 0 and <= PrefixChunk.MostColumns
        && chunk.Tokens.Length % Cache.PagePool.PageTokens == 0
        && chunk.ColumnBytes is > 0 and <= int.MaxValue / PrefixChunk.MostColumns - ChunkRecord.HeaderBytes;

    private static string Name(BinaryReader reader) => Convert.ToHexString(reader.ReadBytes(PrefixChunk.NameBytes));

    private string PathOf(int number) => Path.Combine(_folder, $"{number:D8}.log");
}
