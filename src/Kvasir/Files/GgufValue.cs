namespace Kvasir.Files;

/// <summary>Value types of GGUF metadata, by their number in the file.</summary>
internal enum GgufValueType : uint
{
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

/// <summary>
/// Where a value lies in the file. Nothing is decoded until it is asked for: a vocabulary of 128k tokens costs one walk over its
/// lengths at opening.
/// </summary>
/// <param name="Type">The type of the value, or of the elements of an array.</param>
/// <param name="IsArray">Whether <paramref name="Count"/> elements follow each other.</param>
/// <param name="Offset">First byte of the value, from the start of the file; a string begins with its length.</param>
/// <param name="Count">Elements: 1 where it is no array.</param>
internal readonly record struct GgufValue(GgufValueType Type, bool IsArray, long Offset, long Count)
{
    /// <summary>Bytes of a value of fixed size, or 0 for strings and arrays.</summary>
    public static int FixedBytes(GgufValueType type) => type switch
    {
        GgufValueType.U8 or GgufValueType.I8 or GgufValueType.Bool => 1,
        GgufValueType.U16 or GgufValueType.I16 => 2,
        GgufValueType.U32 or GgufValueType.I32 or GgufValueType.F32 => 4,
        GgufValueType.U64 or GgufValueType.I64 or GgufValueType.F64 => 8,
        _ => 0,
    };

    public override string ToString() => IsArray ? $"array of {Count} {Type}" : Type.ToString();
}
