using System.Buffers.Binary;
using System.Text;
using Kvasir.Files;
using Kvasir.Kernels.Matrix;

namespace Kvasir.Test.Support;

/// <summary>
/// Writes GGUF files, sound ones and, through <see cref="Patch"/>, damaged ones. Metadata values are bool, string, the integer and
/// float types, <see cref="RawText"/> for text in other encodings, and arrays of these.
/// </summary>
internal sealed class GgufWriter
{
    /// <summary>The bytes of a text, which need not be UTF-8.</summary>
    public sealed record RawText(byte[] Bytes);

    private readonly List<(string Key, object Value)> _metadata = [];
    private readonly List<(string Name, uint Type, long[] Shape, byte[] Content)> _tensors = [];
    private readonly List<(string Field, byte[] Content)> _patches = [];
    private readonly List<byte> _file = [];

    /// <summary>Where each number of the header lies after <see cref="Build"/>: its name, first byte and size in bytes.</summary>
    public List<(string Name, int Offset, int Bytes)> Fields { get; } = [];

    /// <summary>Bytes before the first tensor's content, after <see cref="Build"/>.</summary>
    public int HeaderBytes { get; private set; }

    public int Alignment { get; init; } = 32;

    public uint Version { get; init; } = 3;

    /// <summary>Adds a key or replaces its value; null removes it.</summary>
    public GgufWriter Set(string key, object? value)
    {
        var index = _metadata.FindIndex(entry => entry.Key == key);
        if (index >= 0)
            _metadata.RemoveAt(index);
        if (value is not null)
            _metadata.Insert(index >= 0 ? index : _metadata.Count, (key, value));
        return this;
    }

    /// <summary>Adds a key even where it is there already.</summary>
    public GgufWriter Repeat(string key, object value)
    {
        _metadata.Add((key, value));
        return this;
    }

    /// <param name="shape">Fastest dimension first.</param>
    public GgufWriter Tensor(string name, WeightType type, long[] shape, byte[] content)
    {
        _tensors.Add((name, GgufTypes.Number(type), shape, content));
        return this;
    }

    /// <summary>Takes a tensor out, if it is there.</summary>
    public GgufWriter Without(string name)
    {
        _tensors.RemoveAll(tensor => tensor.Name == name);
        return this;
    }

    /// <summary>Overwrites a number of the header, named as in <see cref="Fields"/>, when the file is built.</summary>
    public GgufWriter Patch(string field, ulong value)
    {
        var content = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(content, value);
        _patches.Add((field, content));
        return this;
    }

    public byte[] Build()
    {
        _file.Clear();
        Fields.Clear();
        Number("magic", 0x46554747, 4);
        Number("version", Version, 4);
        Number("tensor count", (ulong)_tensors.Count, 8);
        Number("key count", (ulong)_metadata.Count, 8);
        foreach (var (key, value) in _metadata)
            WriteKey(key, value);
        var offset = 0L;
        foreach (var (name, type, shape, content) in _tensors)
        {
            WriteEntry(name, type, shape, offset);
            offset += (content.Length + Alignment - 1) / Alignment * Alignment;
        }

        Pad();
        HeaderBytes = _file.Count;
        foreach (var tensor in _tensors)
        {
            _file.AddRange(tensor.Content);
            Pad();
        }

        var file = _file.ToArray();
        foreach (var (name, content) in _patches)
        {
            var field = Fields.Find(field => field.Name == name);
            Assert.True(field.Bytes > 0, $"no field {name}");
            content.AsSpan(0, field.Bytes).CopyTo(file.AsSpan(field.Offset));
        }

        return file;
    }

    private void WriteKey(string key, object value)
    {
        Text($"key {key}", Encoding.UTF8.GetBytes(key));
        if (value is not Array array)
        {
            Number($"type {key}", (uint)TypeOf(value), 4);
            Value(key, value);
            return;
        }

        Number($"type {key}", (uint)GgufValueType.Array, 4);
        Number($"element type {key}", (uint)TypeOf(array.GetType().GetElementType()!), 4);
        Number($"element count {key}", (ulong)array.Length, 8);
        foreach (var item in array)
            Value($"{key} item", item);
    }

    private void WriteEntry(string name, uint type, long[] shape, long offset)
    {
        Text($"name {name}", Encoding.UTF8.GetBytes(name));
        Number($"dimensions {name}", (ulong)shape.Length, 4);
        for (var i = 0; i < shape.Length; i++)
            Number($"size {i} {name}", (ulong)shape[i], 8);
        Number($"tensor type {name}", type, 4);
        Number($"offset {name}", (ulong)offset, 8);
    }

    private void Value(string name, object value)
    {
        switch (value)
        {
            case string text:
                Text($"value {name}", Encoding.UTF8.GetBytes(text));
                break;
            case RawText raw:
                Text($"value {name}", raw.Bytes);
                break;
            case bool flag:
                Number($"value {name}", flag ? 1u : 0u, 1);
                break;
            case float number:
                Number($"value {name}", BitConverter.SingleToUInt32Bits(number), 4);
                break;
            case double number:
                Number($"value {name}", BitConverter.DoubleToUInt64Bits(number), 8);
                break;
            case ulong number:
                Number($"value {name}", number, 8);
                break;
            default:
                Number($"value {name}", (ulong)Convert.ToInt64(value, null), GgufValue.FixedBytes(TypeOf(value)));
                break;
        }
    }

    private void Text(string name, byte[] bytes)
    {
        Number($"length {name}", (ulong)bytes.Length, 8);
        _file.AddRange(bytes);
    }

    private void Number(string name, ulong value, int bytes)
    {
        Fields.Add((name, _file.Count, bytes));
        Span<byte> content = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(content, value);
        _file.AddRange(content[..bytes]);
    }

    private void Pad()
    {
        while (_file.Count % Alignment != 0)
            _file.Add(0);
    }

    private static GgufValueType TypeOf(object value) => TypeOf(value.GetType());

    private static GgufValueType TypeOf(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.Byte => GgufValueType.U8,
        TypeCode.SByte => GgufValueType.I8,
        TypeCode.UInt16 => GgufValueType.U16,
        TypeCode.Int16 => GgufValueType.I16,
        TypeCode.UInt32 => GgufValueType.U32,
        TypeCode.Int32 => GgufValueType.I32,
        TypeCode.UInt64 => GgufValueType.U64,
        TypeCode.Int64 => GgufValueType.I64,
        TypeCode.Single => GgufValueType.F32,
        TypeCode.Double => GgufValueType.F64,
        TypeCode.Boolean => GgufValueType.Bool,
        _ => GgufValueType.String,
    };
}
