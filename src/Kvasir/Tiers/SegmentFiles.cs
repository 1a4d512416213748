using System.Buffers.Binary;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Kvasir.Tiers;

/// <summary>
/// Files that records are only ever added to, of 256 MiB or of one record if that is more. A number is a file for good: one that is deleted never comes again
/// as long as the process lives. Their owner alone may read them.
/// </summary>
internal sealed class SegmentFiles : IDisposable
{
    /// <summary>What a file begins with, before its first record.</summary>
    public const int HeaderBytes = 4096;

    private const uint Version = 1;

    // Whoever reads may do so while the owner adds.
    private const FileShare Sharing = FileShare.ReadWrite | FileShare.Delete;
    private readonly Lock _gate = new();
    private readonly string _folder;
    private readonly long _mostBytes;
    private readonly Dictionary<int, SafeFileHandle> _open = [];
    private readonly Dictionary<int, long> _lengths = [];
    private SafeFileHandle? _growing;
    private int _current = -1;
    private int _next;

    /// <param name="folder">Where they lie.</param>
    /// <param name="mostBytes">That a file grows to.</param>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public SegmentFiles(string folder, long mostBytes)
    {
        (_folder, _mostBytes) = (folder, mostBytes);
        if (!Directory.Exists(folder))
            return;
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*.seg"))
        {
            if (!int.TryParse(Path.GetFileNameWithoutExtension(file.Name), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                continue;
            _lengths[number] = file.Length;
            _next = Math.Max(_next, number + 1);
        }
    }

    /// <summary>Of all files.</summary>
    public long Bytes
    {
        get
        {
            using var gate = _gate.EnterScope();
            return _lengths.Values.Sum();
        }
    }

    /// <summary>Files that there are.</summary>
    public int[] Numbers
    {
        get
        {
            using var gate = _gate.EnterScope();
            return [.. _lengths.Keys];
        }
    }

    /// <summary>The file that grows; -1 for none.</summary>
    public int Current => _current;

    public long LengthOf(int number)
    {
        using var gate = _gate.EnterScope();
        return _lengths.GetValueOrDefault(number);
    }

    /// <summary>Leaves of a file what lies before some byte, and goes on there if it is the newest: what is behind was never finished.</summary>
    public void Cut(int number, long end)
    {
        using var file = File.OpenHandle(PathOf(number), FileMode.Open, FileAccess.Write, Sharing);
        if (LengthOf(number) > end)
            RandomAccess.SetLength(file, end);
        using (_gate.EnterScope())
            _lengths[number] = Math.Min(_lengths[number], end);
        if (number == _next - 1 && end < _mostBytes)
            (_growing, _current) = (File.OpenHandle(PathOf(number), FileMode.Open, FileAccess.Write, Sharing), number);
    }

    /// <summary>Adds a record.</summary>
    /// <exception cref="IOException">It cannot be written: nothing of it counts.</exception>
    /// <exception cref="UnauthorizedAccessException">No file may be made.</exception>
    public (int Number, long Offset) Append(ReadOnlySpan<byte> record)
    {
        if (_growing is null || LengthOf(_current) + record.Length > _mostBytes)
            Begin();
        var (number, offset) = (_current, LengthOf(_current));
        try
        {
            RandomAccess.Write(_growing!, record, offset);
        }
        catch
        {
            GiveUp(offset);
            throw;
        }

        using var gate = _gate.EnterScope();
        _lengths[number] = offset + record.Length;
        return (number, offset);
    }

    /// <summary>Fills memory with what lies somewhere. False where the file ends before.</summary>
    /// <exception cref="IOException">It cannot be read, or is not there.</exception>
    public bool TryRead(int number, long offset, Span<byte> bytes)
    {
        var file = Open(number);
        for (var done = 0; done < bytes.Length;)
        {
            var read = RandomAccess.Read(file, bytes[done..], offset + done);
            if (read == 0)
                return false;
            done += read;
        }

        return true;
    }

    /// <summary>Returns when what was added has reached the device.</summary>
    /// <exception cref="IOException">The device failed.</exception>
    public void Sync()
    {
        if (_growing is not null)
            RandomAccess.FlushToDisk(_growing);
    }

    /// <summary>Adds to no file that there is.</summary>
    /// <exception cref="IOException">The device failed.</exception>
    public void Seal()
    {
        Sync();
        Close();
    }

    /// <summary>Deletes a file. Who reads it goes on.</summary>
    /// <exception cref="IOException">It cannot be.</exception>
    public void Delete(int number)
    {
        File.Delete(PathOf(number));
        if (_current == number)
            Close();
        using var gate = _gate.EnterScope();
        _lengths.Remove(number);
        if (_open.Remove(number, out var file))
            file.Dispose();
    }

    public void Dispose()
    {
        Close();
        using var gate = _gate.EnterScope();
        foreach (var file in _open.Values)
            file.Dispose();
        _open.Clear();
    }

    private void Begin()
    {
        Seal();
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = Sharing, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var header = new byte[HeaderBytes];
        "KVSRSEGM"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), Version);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), _next);
        var number = _next++;
        using (var file = new FileStream(PathOf(number), options))
        {
            using (_gate.EnterScope())
                _lengths[number] = HeaderBytes;
            file.Write(header);
        }

        (_growing, _current) = (File.OpenHandle(PathOf(number), FileMode.Open, FileAccess.Write, Sharing), number);
    }

    // What a part of a record took is given back, if that can be done, and nothing is written behind it.
    private void GiveUp(long end)
    {
        try
        {
            RandomAccess.SetLength(_growing!, end);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // It is cut at the next start.
        }

        Close();
    }

    private void Close()
    {
        _growing?.Dispose();
        (_growing, _current) = (null, -1);
    }

    private SafeFileHandle Open(int number)
    {
        using var gate = _gate.EnterScope();
        if (!_open.TryGetValue(number, out var file))
            _open[number] = file = File.OpenHandle(PathOf(number), FileMode.Open, FileAccess.Read, Sharing);
        return file;
    }

    private string PathOf(int number) => Path.Combine(_folder, $"{number:D8}.seg");
}
