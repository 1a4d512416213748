using System.Buffers.Binary;
using System.Text.Json;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>One safetensors file: a length, a JSON header of that length, and the tensors' bytes without holes.</summary>
internal sealed class SafetensorsFile : IDisposable
{
    // The limit of the format's reference implementation.
    private const long HeaderLimitBytes = 100_000_000;
    private const int LengthBytes = 8;
    private const int TensorLimit = 1 << 16;
    private const int DimensionLimit = 8;
    private const int DepthLimit = 8;

    private readonly MappedFile _file;

    private SafetensorsFile(MappedFile file)
    {
        _file = file;
        (Tensors, Others) = CheckedJson.Read(file.Path, ReadHeader);
    }

    public string Path => _file.Path;

    public NativeView View => _file.View;

    /// <summary>In the order of the header.</summary>
    public SafetensorsTensor[] Tensors { get; }

    /// <summary>Those of types that no weight here has.</summary>
    public OtherTensor[] Others { get; }

    public static SafetensorsFile Open(string path)
    {
        var file = ModelFile.Map(path);
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    private (SafetensorsTensor[] Tensors, OtherTensor[] Others) ReadHeader()
    {
        if (_file.Bytes < LengthBytes)
            throw Bad($"has {_file.Bytes} bytes, and the header's length alone takes {LengthBytes}");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(_file.View.Span(0, LengthBytes));
        if (length > HeaderLimitBytes)
            throw Bad($"the header's length is {length}; the limit is {HeaderLimitBytes}");
        if (length > (ulong)(_file.Bytes - LengthBytes))
            throw Bad($"the header's length is {length}, and the file ends after {_file.Bytes - LengthBytes}");
        var reader = new Utf8JsonReader(_file.View.Span(LengthBytes, (int)length), new JsonReaderOptions { MaxDepth = DepthLimit });
        var entries = ReadEntries(ref reader);
        var start = LengthBytes + (long)length;
        RequireSound(entries, _file.Bytes - start);
        return (
            [.. entries.Where(static entry => entry.Type is not null)
                .Select(entry => new SafetensorsTensor(entry.Name, entry.Type!.Value, entry.Shape, View(entry), _file.Path))],
            [.. entries.Where(static entry => entry.Type is null)
                .Select(entry => new OtherTensor(entry.Name, entry.Dtype, entry.Shape, View(entry), _file.Path))]);

        NativeView View(Entry entry) => _file.View.Slice(start + entry.Begin, entry.End - entry.Begin);
    }

    private List<Entry> ReadEntries(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw Bad("the header is not a JSON object");
        var entries = new List<Entry>();
        var names = new HashSet<string>();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (!names.Add(name))
                throw Bad($"tensor {MessageText.Name(name)} occurs twice in the header");
            if (names.Count > TensorLimit)
                throw Bad($"the header names more than {TensorLimit} tensors");
            if (name == "__metadata__")
                reader.Skip();
            else
                entries.Add(ReadEntry(ref reader, name));
        }

        // Reading on makes the reader complain about anything but space behind the object.
        while (reader.Read())
        {
        }

        return entries;
    }

    private Entry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        var shown = MessageText.Name(name);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Bad($"tensor {shown} is not a JSON object");
        string? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = reader.GetString()!;
            var repeats = field switch { "dtype" => type is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false };
            if (repeats)
                throw Bad($"tensor {shown} has {field} twice");
            reader.Read();
            switch (field)
            {
                case "dtype":
                    type = reader.TokenType == JsonTokenType.String ? reader.GetString() : throw Bad($"tensor {shown} has a dtype that is not text");
                    break;
                case "shape":
                    shape = ReadIntegers(ref reader, $"the shape of tensor {shown}", DimensionLimit);
                    break;
                case "data_offsets":
                    offsets = ReadIntegers(ref reader, $"data_offsets of tensor {shown}", 2);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || shape is null || offsets is null)
            throw Bad($"tensor {shown} lacks {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}");
        return NewEntry(name, type, shape, offsets);
    }

    private long[] ReadIntegers(ref Utf8JsonReader reader, string where, int limit)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Bad($"{where} is not a JSON array");
        var integers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var integer) || integer < 0)
                throw Bad($"{where} holds something else than an integer from 0 to {long.MaxValue}");
            if (integers.Count == limit)
                throw Bad($"{where} holds more than {limit} integers");
            integers.Add(integer);
        }

        return [.. integers];
    }

    private Entry NewEntry(string name, string dtype, long[] shape, long[] offsets)
    {
        var shown = MessageText.Name(name);
        WeightType? type = dtype switch { "F32" => WeightType.F32, "F16" => WeightType.F16, "BF16" => WeightType.BF16, _ => null };
        if (offsets.Length != 2 || offsets[0] > offsets[1])
            throw Bad($"tensor {shown} has the data_offsets {MessageText.Shape(offsets)}; a begin and an end not before it are expected");
        // Of what is nobody's loss the size is nobody's either.
        int? elementBytes = type is { } known ? WeightLayout.BlockBytes(known) : dtype == OtherTensor.Bytes ? 1 : null;
        if (elementBytes is { } each && (!TryBytes(each, shape, out var bytes) || offsets[1] - offsets[0] != bytes))
            throw Bad(
                $"tensor {shown} of {dtype} {MessageText.Shape(shape)} does not take the "
                    + $"{offsets[1] - offsets[0]} bytes of its data_offsets {MessageText.Shape(offsets)}");
        return new Entry(name, dtype, type, shape, offsets[0], offsets[1]);
    }

    private static bool TryBytes(long elementBytes, long[] shape, out long bytes)
    {
        bytes = elementBytes;
        foreach (var size in shape)
        {
            if (size != 0 && bytes > long.MaxValue / size)
                return false;
            bytes *= size;
        }

        return true;
    }

    // The format demands that the tensors fill the rest of the file: no overlap, no hole, nothing behind them.
    private void RequireSound(List<Entry> entries, long availableBytes)
    {
        var ordered = entries.ToArray();
        Array.Sort(ordered, static (a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        var end = 0L;
        foreach (var entry in ordered)
        {
            if (entry.Begin != end)
                throw Bad(
                    $"tensor {MessageText.Name(entry.Name)} begins at offset {entry.Begin}; "
                        + $"{end} was expected, so that tensors neither overlap nor leave holes");
            if (entry.End > availableBytes)
                throw Bad($"tensor {MessageText.Name(entry.Name)} ends at offset {entry.End}, and the file holds {availableBytes} bytes of tensors");
            end = entry.End;
        }

        if (end != availableBytes)
            throw Bad($"its tensors end at offset {end}, and the file holds {availableBytes} bytes of tensors");
    }

    private KvasirException Bad(string message) => new(KvasirError.BadFile, $"{_file.Path}: {message}");

    private readonly record struct Entry(string Name, string Dtype, WeightType? Type, long[] Shape, long Begin, long End);
}

/// <summary>
/// A tensor of a type that is no weight's by itself. Masks of bytes and positions in integers, as published files keep them beside weights, are nobody's loss;
/// codes are asked for as bytes; a weight of such a type is refused when it is asked for.
/// </summary>
internal sealed record OtherTensor(string Name, string Dtype, long[] Shape, NativeView View, string File)
{
    public const string Bytes = "U8";

    /// <summary>Whether it may be codes.</summary>
    public bool IsBytes => Dtype == Bytes;

    public KvasirException Refusal() => new(
        KvasirError.Unsupported, $"{File}: tensor {MessageText.Name(Name)} has the dtype {MessageText.Name(Dtype)}; supported are F32, F16, BF16");
}
