namespace Kvasir.Structure;

/// <summary>A set of byte values, equal by content.</summary>
internal readonly record struct ByteSet(ulong Bits0, ulong Bits1, ulong Bits2, ulong Bits3)
{
    public static ByteSet Of(byte value) => Of(value, value);

    /// <param name="last">Inclusive.</param>
    public static ByteSet Of(byte first, byte last)
    {
        Span<ulong> bits = stackalloc ulong[4];
        bits.Clear();
        for (int value = first; value <= last; value++)
            bits[value >> 6] |= 1ul << (value & 63);
        return new ByteSet(bits[0], bits[1], bits[2], bits[3]);
    }

    public ByteSet Union(ByteSet other) => new(Bits0 | other.Bits0, Bits1 | other.Bits1, Bits2 | other.Bits2, Bits3 | other.Bits3);

    public bool Contains(byte value)
    {
        var bits = (value >> 6) switch { 0 => Bits0, 1 => Bits1, 2 => Bits2, _ => Bits3 };
        return (bits >> (value & 63) & 1) != 0;
    }
}
