using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Signed bytes in blocks of 32, each block with a scale: element = quant * scale, |quant| at most 127. A row is its quants, padded
/// to 4 bytes, then its scales, padded to 16 bytes: loads of 16 quants start at multiples of 16 and never cross a cache line.
/// Scales are f32: .NET has no instruction that widens f16, and at the usual head widths a 2-byte scale would only become padding
/// (128 elements: 136 bytes, padded to the same 144). The last block may be shorter than 32. A NaN or infinity in a block
/// makes the whole block NaN; a block whose scale would be subnormal is stored as zeros.
/// </summary>
internal readonly unsafe struct Q8Codec : IKvCodec
{
    private const int BlockElements = 32;
    private const int RowAlignment = 16;

    public static int RowBytes(int dim)
    {
        var blocks = (dim + BlockElements - 1) / BlockElements;
        return (ScalesOffset(dim) + blocks * sizeof(float) + RowAlignment - 1) & -RowAlignment;
    }

    public static void Encode(ReadOnlySpan<float> row, byte* stored)
    {
        new Span<byte>(stored, RowBytes(row.Length)).Clear();
        var scales = (float*)(stored + ScalesOffset(row.Length));
        for (var start = 0; start < row.Length; start += BlockElements)
        {
            var block = row.Slice(start, Math.Min(BlockElements, row.Length - start));
            scales[start / BlockElements] = EncodeBlock(block, (sbyte*)stored + start);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* row, int dim, int index)
        where TLanes : struct, ILanes<V>
        where V : struct
    {
        var scale = ((float*)(row + ScalesOffset(dim)))[(uint)index / BlockElements];
        return TLanes.Multiply(TLanes.LoadInt8((sbyte*)row + index), TLanes.Broadcast(scale));
    }

    private static float EncodeBlock(ReadOnlySpan<float> block, sbyte* quants)
    {
        const int LargestQuant = 127;
        const float SmallestScale = 1.17549435e-38f; // the smallest normal float
        const float RoundingShift = 12582912f; // 1.5 * 2^23: added to a small number, it leaves the nearest integer in the low bits

        // Magnitudes compare as integers, and NaN as the largest of them.
        var largestBits = 0u;
        foreach (var x in block)
            largestBits = Math.Max(largestBits, BitConverter.SingleToUInt32Bits(x) & 0x7FFFFFFF);
        var largest = BitConverter.UInt32BitsToSingle(largestBits);
        if (!float.IsFinite(largest))
            return float.NaN;
        if (largest / LargestQuant < SmallestScale)
            return 0;
        var inverse = LargestQuant / largest;
        for (var i = 0; i < block.Length; i++)
            quants[i] = (sbyte)BitConverter.SingleToInt32Bits(block[i] * inverse + RoundingShift);
        return largest / LargestQuant;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ScalesOffset(int dim) => (dim + 3) & ~3;
}
