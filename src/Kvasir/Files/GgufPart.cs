using System.Buffers.Binary;
using System.Numerics;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>One GGUF file: its metadata and its tensors, every length and offset of them checked. A model may be split over several.</summary>
internal sealed class GgufPart : IDisposable
{
    private const uint Magic = 0x46554747;
    private const int KeyLimit = 1 << 16;
    private const int KeyLimitBytes = ushort.MaxValue;
    private const int TensorLimit = 1 << 16;
    private const int TensorNameLimitBytes = 64;
    private const int DimensionLimit = 4;
    private const int DefaultAlignment = 32;
    private const int AlignmentLimit = 1 << 16;
    private const string AlignmentKey = "general.alignment";

    // The least that a key or a tensor takes in the file: name length, one byte of name, and its fixed fields.
    private const int KeyLeastBytes = 8 + 1 + 4 + 1;
    private const int TensorLeastBytes = 8 + 1 + 4 + 8 + 4 + 8;

    private readonly MappedFile _file;

    private GgufPart(MappedFile file, Notes notes)
    {
        _file = file;
        var cursor = new GgufCursor(file.View, file.Path, notes);
        ReadVersion(ref cursor);
        var tensorCount = cursor.Count("the tensor count", TensorLeastBytes, TensorLimit);
        var keyCount = cursor.Count("the key count", KeyLeastBytes, KeyLimit);
        Metadata = ReadMetadata(ref cursor, keyCount, notes);
        var alignment = ReadAlignment();
        Tensors = ReadTensors(ref cursor, (int)tensorCount, alignment);
    }

    public string Path => _file.Path;

    public NativeView View => _file.View;

    public GgufMetadata Metadata { get; }

    /// <summary>In the file's order.</summary>
    public GgufTensor[] Tensors { get; }

    /// <param name="notes">Takes a line for each piece of advice that cannot be followed.</param>
    public static GgufPart Open(string path, Notes notes)
    {
        var file = ModelFile.Map(path);
        try
        {
            return new GgufPart(file, notes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    private static void ReadVersion(ref GgufCursor cursor)
    {
        var magic = cursor.UInt32("the magic number");
        if (magic != Magic)
            throw cursor.Bad($"is no GGUF file: it begins with 0x{BinaryPrimitives.ReverseEndianness(magic):x8} instead of 'GGUF'");
        var version = cursor.UInt32("the version");
        if (version is 2 or 3)
            return;
        if (BinaryPrimitives.ReverseEndianness(version) is 1 or 2 or 3)
            throw new KvasirException(KvasirError.Unsupported, $"{cursor.Path}: is a big-endian GGUF file; only little-endian ones are supported");
        throw new KvasirException(KvasirError.Unsupported, $"{cursor.Path}: is GGUF version {version}; versions 2 and 3 are supported");
    }

    private GgufMetadata ReadMetadata(ref GgufCursor cursor, long count, Notes notes)
    {
        var values = new Dictionary<string, GgufValue>();
        for (var i = 0L; i < count; i++)
        {
            var key = cursor.Name($"key {i}", KeyLimitBytes);
            var shown = MessageText.Name(key);
            // Two keys that are no text may look the same.
            if (!values.TryAdd(key, ReadValue(ref cursor, shown)) && !key.Contains('\uFFFD', StringComparison.Ordinal))
                throw cursor.Bad($"key {shown} occurs twice");
        }

        return new GgufMetadata(_file, values, notes);
    }

    private static GgufValue ReadValue(ref GgufCursor cursor, string key)
    {
        var type = ReadValueType(ref cursor, key);
        if (type == GgufValueType.Array)
            return ReadArray(ref cursor, key);
        var start = cursor.Offset;
        if (type == GgufValueType.String)
            cursor.SkipString($"key {key}");
        else
            cursor.Skip(GgufValue.FixedBytes(type), $"key {key}");
        return new GgufValue(type, IsArray: false, start, 1);
    }

    private static GgufValue ReadArray(ref GgufCursor cursor, string key)
    {
        var type = ReadValueType(ref cursor, key);
        if (type == GgufValueType.Array)
            throw cursor.Bad($"key {key} is an array of arrays, which is not supported");
        var unitBytes = type == GgufValueType.String ? 8 : GgufValue.FixedBytes(type);
        var count = cursor.Count($"the element count of key {key}", unitBytes, int.MaxValue);
        var start = cursor.Offset;
        if (type == GgufValueType.String)
        {
            var where = $"key {key}";
            for (var i = 0L; i < count; i++)
                cursor.SkipString(where);
        }
        else
        {
            cursor.Skip(count * unitBytes, $"key {key}");
        }

        return new GgufValue(type, IsArray: true, start, count);
    }

    private static GgufValueType ReadValueType(ref GgufCursor cursor, string key)
    {
        var type = cursor.UInt32($"the type of key {key}");
        return type <= (uint)GgufValueType.F64
            ? (GgufValueType)type
            : throw cursor.Bad($"key {key} has the value type {type}; the last known one is {(uint)GgufValueType.F64}");
    }

    private int ReadAlignment()
    {
        var alignment = Metadata.Integer(AlignmentKey) ?? DefaultAlignment;
        return alignment is >= 1 and <= AlignmentLimit && BitOperations.IsPow2(alignment)
            ? (int)alignment
            : throw Metadata.Bad(AlignmentKey, $"is {alignment}; powers of two from 1 to {AlignmentLimit} are allowed");
    }

    private GgufTensor[] ReadTensors(ref GgufCursor cursor, int count, int alignment)
    {
        var entries = new GgufTensorEntry[count];
        for (var i = 0; i < count; i++)
            entries[i] = ReadEntry(ref cursor, i);
        var start = Math.Min((cursor.Offset + alignment - 1) / alignment * alignment, _file.Bytes);
        RequireSound(entries, _file.Bytes - start, alignment);
        var tensors = new GgufTensor[count];
        for (var i = 0; i < count; i++)
        {
            var entry = entries[i];
            tensors[i] = new GgufTensor(entry.Name, entry.Type, entry.Shape, _file.View.Slice(start + entry.Offset, entry.Bytes), _file.Path);
        }

        return tensors;
    }

    private static GgufTensorEntry ReadEntry(ref GgufCursor cursor, int index)
    {
        var name = cursor.Name($"the name of tensor {index}", TensorNameLimitBytes);
        var shown = MessageText.Name(name);
        var dimensions = cursor.UInt32($"the dimension count of tensor {shown}");
        if (dimensions is 0 or > DimensionLimit)
            throw cursor.Bad($"tensor {shown} has {dimensions} dimensions; 1 to {DimensionLimit} are allowed");
        var shape = new long[dimensions];
        var elements = 1L;
        for (var i = 0; i < shape.Length; i++)
        {
            var size = cursor.UInt64($"the shape of tensor {shown}");
            if (size == 0 || size > (ulong)(long.MaxValue / elements))
                throw cursor.Bad($"tensor {shown} has the size {size} in dimension {i}; sizes are at least 1 and their product at most {long.MaxValue}");
            shape[i] = (long)size;
            elements *= (long)size;
        }

        var number = cursor.UInt32($"the type of tensor {shown}");
        if (!GgufTypes.TryFind(number, out var type))
        {
            throw new KvasirException(
                KvasirError.Unsupported,
                $"{cursor.Path}: tensor {shown} has the type {GgufTypes.Name(number)}; supported are {GgufTypes.Names}");
        }

        var block = WeightLayout.BlockElements(type);
        if (shape[0] % block != 0)
            throw cursor.Bad($"tensor {shown} has rows of {shape[0]} elements, not a multiple of the {block} in a block of {type}");
        var blocks = elements / block;
        if (blocks > long.MaxValue / WeightLayout.BlockBytes(type))
            throw cursor.Bad($"tensor {shown} has the shape {MessageText.Shape(shape)}, more than {long.MaxValue} bytes of {type}");
        var offset = cursor.UInt64($"the offset of tensor {shown}");
        if (offset > long.MaxValue)
            throw cursor.Bad($"tensor {shown} has the offset {offset}; the limit is {long.MaxValue}");
        return new GgufTensorEntry(name, type, shape, blocks * WeightLayout.BlockBytes(type), (long)offset);
    }

    private void RequireSound(GgufTensorEntry[] entries, long availableBytes, int alignment)
    {
        var names = new HashSet<string>();
        foreach (var entry in entries)
        {
            var shown = MessageText.Name(entry.Name);
            if (!names.Add(entry.Name))
                throw Bad($"tensor {shown} occurs twice");
            if (entry.Offset % alignment != 0)
                throw Bad($"tensor {shown} has the offset {entry.Offset}, not a multiple of the alignment {alignment}");
            if (entry.Offset > availableBytes || entry.Bytes > availableBytes - entry.Offset)
                throw Bad($"tensor {shown} needs {entry.Bytes} bytes at offset {entry.Offset}, and the file holds {availableBytes} bytes of tensors");
        }

        var ordered = (GgufTensorEntry[])entries.Clone();
        Array.Sort(ordered, static (a, b) => a.Offset.CompareTo(b.Offset));
        for (var i = 1; i < ordered.Length; i++)
        {
            var (before, after) = (ordered[i - 1], ordered[i]);
            if (before.Offset + before.Bytes > after.Offset)
                throw Bad($"tensors {MessageText.Name(before.Name)} and {MessageText.Name(after.Name)} overlap at offset {after.Offset}");
        }
    }

    private KvasirException Bad(string message) => new(KvasirError.BadFile, $"{_file.Path}: {message}");

    private readonly record struct GgufTensorEntry(string Name, WeightType Type, long[] Shape, long Bytes, long Offset);
}
