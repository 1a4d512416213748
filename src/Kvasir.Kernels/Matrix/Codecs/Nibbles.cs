using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>Four bits per element, sixteen bytes per 32 elements: the first half in the low nibbles, the second in the high ones.</summary>
internal static unsafe class Nibbles
{
    public const int Bytes = 16;

    public static void Split(byte* nibbles, int offset, sbyte* codes)
    {
        for (var i = 0; i < Bytes; i++)
        {
            codes[i] = (sbyte)((nibbles[i] & 15) - offset);
            codes[i + Bytes] = (sbyte)((nibbles[i] >> 4) - offset);
        }
    }

    /// <summary>Bit i of <paramref name="highBits"/> is the fifth bit of element i.</summary>
    public static void Split(byte* nibbles, uint highBits, int offset, sbyte* codes)
    {
        for (var i = 0; i < Bytes; i++)
        {
            var low = (nibbles[i] & 15) | (int)(((highBits >> i) & 1) << 4);
            var high = (nibbles[i] >> 4) | (int)(((highBits >> (i + Bytes)) & 1) << 4);
            codes[i] = (sbyte)(low - offset);
            codes[i + Bytes] = (sbyte)(high - offset);
        }
    }
}

/// <summary>Sixteen bytes of nibbles that number the values of a table, finer around zero than far from it: IQ4_NL and IQ4_XS, and MXFP4.</summary>
internal static unsafe class TableNibbles
{
    /// <summary>IQ4_NL's and IQ4_XS'.</summary>
    public static ReadOnlySpan<sbyte> Iq4 => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>A table, each value <paramref name="offset"/> more, as two words for a shuffle.</summary>
    public static (ulong Low, ulong High) Words(ReadOnlySpan<sbyte> values, sbyte offset)
    {
        var words = (Vector128.Create(values) + Vector128.Create(offset)).AsUInt64();
        return (words[0], words[1]);
    }

    public static void Split(ReadOnlySpan<sbyte> values, byte* nibbles, sbyte* codes)
    {
        for (var i = 0; i < Nibbles.Bytes; i++)
        {
            codes[i] = values[nibbles[i] & 15];
            codes[i + Nibbles.Bytes] = values[nibbles[i] >> 4];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SplitWide(ReadOnlySpan<sbyte> table, byte* nibbles, sbyte* codes)
    {
        var values = Vector128.Create(table).AsByte();
        var packed = Vector128.Load(nibbles);
        // By one store, since a load of the whole that follows two of its halves waits until both have reached the cache.
        var low = Vector128.ShuffleNative(values, packed & Vector128.Create((byte)15));
        Vector256.Create(low, Vector128.ShuffleNative(values, packed >>> 4)).Store((byte*)codes);
    }
}
