using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>IEEE half precision as it lies in a file: little endian, at any address.</summary>
internal static unsafe class HalfFloat
{
    public const int Bytes = 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* source) => (float)BitConverter.UInt16BitsToHalf(Unsafe.ReadUnaligned<ushort>(source));

    /// <summary>The nearest half, ties to even; beyond the range infinity.</summary>
    public static float Round(float value) => (float)(Half)value;
}
