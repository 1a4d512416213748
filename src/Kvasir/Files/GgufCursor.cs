using System.Buffers.Binary;
using System.Text;
using Kvasir.Kernels.Memory;
using Unicode = System.Text.Unicode;

namespace Kvasir.Files;

/// <summary>Reads the header of a GGUF file front to back. Every length is checked against what is left before it is believed.</summary>
internal ref struct GgufCursor(NativeView view, string path, Notes notes)
{
    private long _offset;

    public readonly string Path => path;

    public readonly long Offset => _offset;

    public readonly long Remaining => view.Bytes - _offset;

    public uint UInt32(string where) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, where));

    public ulong UInt64(string where) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, where));

    /// <summary>A number of things that take at least <paramref name="unitBytes"/> each, so that a false one cannot claim memory.</summary>
    public long Count(string where, int unitBytes, long limit)
    {
        var count = UInt64(where);
        if (count > (ulong)limit)
            throw Bad($"{where} is {count}; the limit is {limit}");
        if (count > (ulong)(Remaining / unitBytes))
            throw Bad($"{where} is {count}, which does not fit in the {Remaining} bytes that are left");
        return (long)count;
    }

    /// <summary>A key or a tensor's name; bytes that are no text become U+FFFD.</summary>
    public string Name(string where, int limitBytes)
    {
        var bytes = UInt64($"length of {where}");
        if (bytes == 0 || bytes > (ulong)limitBytes)
            throw Bad($"{where} has a length of {bytes} bytes; names have 1 to {limitBytes}");
        var name = Take((int)bytes, where);
        if (!Unicode.Utf8.IsValid(name))
            notes.Add($"{path}: {where} is not UTF-8; replacement characters stand for it");
        return Encoding.UTF8.GetString(name);
    }

    /// <summary>Passes over bytes and says where they began.</summary>
    public long Skip(long bytes, string where)
    {
        if (bytes > Remaining)
            throw Bad($"{where} needs {bytes} bytes at {_offset}, and the file ends after {Remaining}");
        var start = _offset;
        _offset += bytes;
        return start;
    }

    /// <summary>Passes over one string of any length that fits.</summary>
    public void SkipString(string where)
    {
        var bytes = UInt64(where);
        if (bytes > (ulong)Remaining)
            throw Bad($"{where} holds a string of {bytes} bytes at {_offset}, and the file ends after {Remaining}");
        _offset += (long)bytes;
    }

    public readonly KvasirException Bad(string message) => new(KvasirError.BadFile, $"{path}: {message}");

    private ReadOnlySpan<byte> Take(int bytes, string where) => view.Span(Skip(bytes, where), bytes);
}
