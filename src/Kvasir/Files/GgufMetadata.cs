using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Kvasir.Kernels.Memory;
using Unicode = System.Text.Unicode;

namespace Kvasir.Files;

/// <summary>
/// The keys of a GGUF file. A key that is missing gives null; one of another type, or a value that does not fit, throws a
/// <see cref="KvasirException"/> with file and key. Values are decoded at each call: keep what is used twice.
/// </summary>
[SuppressMessage("Naming", "CA1720", Justification = "The methods are named after what the key holds.")]
public sealed class GgufMetadata : IConfigFields
{
    private const int StringLimitBytes = 16 << 20;

    private readonly Dictionary<string, GgufValue> _values;
    private readonly MappedFile _file;

    internal GgufMetadata(MappedFile file, Dictionary<string, GgufValue> values, Notes notes) => (_file, _values, Notes) = (file, values, notes);

    /// <summary>What readers of this file passed over.</summary>
    public Notes Notes { get; }

    /// <summary>All keys, in the file's order.</summary>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    /// <summary>Whether the key is there, whatever its type.</summary>
    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>Whether the key holds an array, which only the plural methods read.</summary>
    public bool IsArray(string key) => _values.TryGetValue(key, out var value) && value.IsArray;

    /// <summary>The type of a key's value in words, such as "U32" or "array of 512 String", or null: for listings.</summary>
    public string? Describe(string key) => _values.TryGetValue(key, out var value) ? value.ToString() : null;

    /// <summary>Text of at most 16 MiB; bytes that are no UTF-8 become U+FFFD.</summary>
    public string? String(string key)
    {
        if (!TryFind(key, isArray: false, out var value))
            return null;
        RequireType(key, value, value.Type == GgufValueType.String, "text");
        var text = Text(key, value.Offset, out _, out var isUtf8);
        if (!isUtf8)
            Notes.Add($"{_file.Path}: key {MessageText.Name(key)} holds text that is not UTF-8; replacement characters stand for it");
        return text;
    }

    /// <summary>An integer of any width that fits 64 bits with a sign, or a float that is whole.</summary>
    public long? Integer(string key)
    {
        if (!TryFind(key, isArray: false, out var value))
            return null;
        if (IsFloat(value.Type) && Number(key) is { } number && number == Math.Truncate(number) && Math.Abs(number) <= 1L << 53)
            return (long)number;
        RequireType(key, value, IsInteger(value.Type), "an integer");
        return IntegerAt(key, value.Type, value.Offset);
    }

    /// <summary>A finite number, from a float or an integer.</summary>
    public double? Number(string key)
    {
        if (!TryFind(key, isArray: false, out var value))
            return null;
        RequireType(key, value, IsNumber(value.Type), "a number");
        var number = NumberAt(key, value.Type, value.Offset);
        return double.IsFinite(number) ? number : throw Bad(key, $"is {number}, not a finite number");
    }

    /// <summary>A boolean, stored as 0 or 1.</summary>
    public bool? Boolean(string key)
    {
        if (!TryFind(key, isArray: false, out var value))
            return null;
        RequireType(key, value, value.Type == GgufValueType.Bool, "a boolean");
        return _file.View.Span(value.Offset, 1)[0] switch
        {
            0 => false,
            1 => true,
            var other => throw Bad(key, $"is a boolean with the value {other}; 0 and 1 are allowed"),
        };
    }

    /// <summary>An array of booleans, stored as such or as integers of 0 or 1.</summary>
    public bool[]? Booleans(string key)
    {
        if (!TryFind(key, isArray: true, out var value))
            return null;
        RequireType(key, value, value.Type == GgufValueType.Bool || IsInteger(value.Type), "an array of booleans");
        var booleans = new bool[Length(key, value)];
        var bytes = GgufValue.FixedBytes(value.Type);
        for (var i = 0; i < booleans.Length; i++)
        {
            var integer = IntegerAt(key, value.Type == GgufValueType.Bool ? GgufValueType.U8 : value.Type, value.Offset + ((long)i * bytes));
            booleans[i] = integer is 0 or 1 ? integer == 1 : throw Bad(key, $"holds {integer} at index {i}; 0 and 1 are allowed");
        }

        return booleans;
    }

    /// <summary>An array of texts; bytes that are no UTF-8 become U+FFFD.</summary>
    public string[]? Strings(string key)
    {
        if (!TryFind(key, isArray: true, out var value))
            return null;
        RequireType(key, value, value.Type == GgufValueType.String, "an array of text");
        var texts = new string[Length(key, value)];
        var (offset, others, firstOther) = (value.Offset, 0, 0);
        for (var i = 0; i < texts.Length; i++)
        {
            texts[i] = Text(key, offset, out offset, out var isUtf8);
            if (!isUtf8)
                (others, firstOther) = (others + 1, others == 0 ? i : firstOther);
        }

        if (others > 0)
            Notes.Add(
                $"{_file.Path}: key {MessageText.Name(key)} holds {others} of {texts.Length} texts that are not UTF-8, "
                    + $"the first at index {firstOther}; replacement characters stand for them");
        return texts;
    }

    /// <summary>An array of numbers, none of them NaN.</summary>
    public float[]? Numbers(string key) => Numbers(key, takesNaN: false);

    internal float[]? Numbers(string key, bool takesNaN)
    {
        if (!TryFind(key, isArray: true, out var value))
            return null;
        RequireType(key, value, IsNumber(value.Type), "an array of numbers");
        var numbers = new float[Length(key, value)];
        var bytes = GgufValue.FixedBytes(value.Type);
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = (float)NumberAt(key, value.Type, value.Offset + ((long)i * bytes));
            if (float.IsNaN(numbers[i]) && !takesNaN)
                throw Bad(key, $"holds NaN at index {i}");
        }

        return numbers;
    }

    /// <summary>An array of integers, each within 32 bits with a sign.</summary>
    public int[]? Integers(string key)
    {
        if (!TryFind(key, isArray: true, out var value))
            return null;
        RequireType(key, value, IsInteger(value.Type), "an array of integers");
        var integers = new int[Length(key, value)];
        var bytes = GgufValue.FixedBytes(value.Type);
        for (var i = 0; i < integers.Length; i++)
        {
            var integer = IntegerAt(key, value.Type, value.Offset + ((long)i * bytes));
            if (integer != (int)integer)
                throw Bad(key, $"holds {integer} at index {i}; the range is {int.MinValue} to {int.MaxValue}");
            integers[i] = (int)integer;
        }

        return integers;
    }

    /// <summary>Elements of an array, or null where the key is missing.</summary>
    public long? Count(string key) => TryFind(key, isArray: true, out var value) ? value.Count : null;

    /// <summary>What to throw where a key is missing that a model cannot be without.</summary>
    public KvasirException Missing(string key) =>
        new(KvasirError.BadFile, $"{_file.Path}: key {MessageText.Name(key)} {(Contains(key) ? ConfigFields.SaysNone : "is missing")}");

    /// <summary>What to throw where a key's value cannot be used; <paramref name="problem"/> goes on after the key.</summary>
    public KvasirException Bad(string key, string problem) => new(KvasirError.BadFile, $"{_file.Path}: key {MessageText.Name(key)} {problem}");

    KvasirException IConfigFields.Unsupported(string key, string problem) =>
        new(KvasirError.Unsupported, $"{_file.Path}: key {MessageText.Name(key)} {problem}");

    private bool TryFind(string key, bool isArray, out GgufValue value)
    {
        if (!_values.TryGetValue(key, out value))
            return false;
        RequireType(key, value, value.IsArray == isArray, isArray ? "an array" : "a single value");
        return true;
    }

    private void RequireType(string key, GgufValue value, bool holds, string expected)
    {
        if (!holds)
            throw Bad(key, $"is {value}; {expected} was expected");
    }

    private int Length(string key, GgufValue value) =>
        value.Count <= Array.MaxLength ? (int)value.Count : throw Bad(key, $"has {value.Count} elements; the limit is {Array.MaxLength}");

    private string Text(string key, long offset, out long end, out bool isUtf8)
    {
        var bytes = BinaryPrimitives.ReadInt64LittleEndian(_file.View.Span(offset, 8));
        if (bytes > StringLimitBytes)
            throw Bad(key, $"holds a text of {bytes} bytes; the limit is {StringLimitBytes}");
        end = offset + 8 + bytes;
        var text = _file.View.Span(offset + 8, (int)bytes);
        isUtf8 = Unicode.Utf8.IsValid(text);
        return Encoding.UTF8.GetString(text);
    }

    private long IntegerAt(string key, GgufValueType type, long offset)
    {
        ReadOnlySpan<byte> bytes = _file.View.Span(offset, GgufValue.FixedBytes(type));
        return type switch
        {
            GgufValueType.U8 => bytes[0],
            GgufValueType.I8 => (sbyte)bytes[0],
            GgufValueType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            GgufValueType.I16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            GgufValueType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            GgufValueType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            GgufValueType.I64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes) is var wide && wide <= long.MaxValue
                ? (long)wide
                : throw Bad(key, $"holds {wide}; the limit is {long.MaxValue}"),
        };
    }

    private double NumberAt(string key, GgufValueType type, long offset) => type switch
    {
        GgufValueType.F32 => BinaryPrimitives.ReadSingleLittleEndian(_file.View.Span(offset, 4)),
        GgufValueType.F64 => BinaryPrimitives.ReadDoubleLittleEndian(_file.View.Span(offset, 8)),
        _ => IntegerAt(key, type, offset),
    };

    private static bool IsInteger(GgufValueType type) => !IsFloat(type) && type is not (GgufValueType.Bool or GgufValueType.String or GgufValueType.Array);

    private static bool IsFloat(GgufValueType type) => type is GgufValueType.F32 or GgufValueType.F64;

    private static bool IsNumber(GgufValueType type) => IsInteger(type) || IsFloat(type);
}
