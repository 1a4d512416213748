using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>The upper half of each float, rounded to nearest even: widening is a shift.</summary>
internal readonly unsafe struct Bf16Codec : IKvCodec
{
    public static int RowBytes(int dim) => dim * sizeof(ushort);

    public static void Encode(ReadOnlySpan<float> row, byte* stored)
    {
        var destination = (ushort*)stored;
        for (var i = 0; i < row.Length; i++)
            destination[i] = Round(row[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* row, int dim, int index)
        where TLanes : struct, ILanes<V>
        where V : struct => TLanes.LoadBf16((ushort*)row + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort Round(float value)
    {
        const uint QuietBit = 0x40;
        var bits = BitConverter.SingleToUInt32Bits(value);
        // A NaN whose payload lies in the lower half would be cut to infinity, or rounded up into a negative zero.
        var rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
        return (ushort)(float.IsNaN(value) ? (bits >> 16) | QuietBit : rounded);
    }
}
