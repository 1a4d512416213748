using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Codes of 8 bits in two planes (QuantSpec, arXiv 2502.10424), each stored as <see cref="FourBits"/> are. The upper plane is what 4 bits would have been; the
/// lower one divides each of its steps by 16: code c stands for the least element plus (c - 7.5) / 16 steps, so that no element is off by more than a 32nd of
/// one. Both planes have the ranges of the upper. The paper's groups are of 128 rows and 128 elements; here they are those of KIVI, a page's 32 rows and 32
/// elements, so that pages are shared and dropped whole.
/// </summary>
internal readonly unsafe struct TwoPlanes : IPackedBits
{
    private const float Sixteenth = 1f / 16;

    public static int Bits => 4;

    public static int Planes => 2;

    public static float Shift => 7.5f / 256;

    // Both planes begin at 1.
    public static float Origin => 1 + Sixteenth + Shift;

    public static (int Word, int Shift) Place(int element) => FourBits.Place(element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* codes, nint lower, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => Join<TLanes, V>(TLanes.LoadFractions4(codes, index), TLanes.LoadFractions4(codes + lower, index));

    public static float* AddProducts<TLanes, V>(V low, V high, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => FourBits.AddProducts<TLanes, V>(low, high, queries, stride, ref sums);

    public static float* AddProducts<TLanes, V>((V Low, V High) upper, (V Low, V High) lower, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var s = sums;
        AddPair<TLanes, V>(upper, lower, 0, queries, stride, ref s);
        AddPair<TLanes, V>(upper, lower, 4, queries + 2, stride, ref s);
        AddPair<TLanes, V>(upper, lower, 8, queries + 4, stride, ref s);
        AddPair<TLanes, V>(upper, lower, 12, queries + 6, stride, ref s);
        AddPair<TLanes, V>(upper, lower, 16, queries + 8, stride, ref s);
        AddPair<TLanes, V>(upper, lower, 20, queries + 10, stride, ref s);
        AddPair<TLanes, V>(upper, lower, 24, queries + 12, stride, ref s);
        AddPair<TLanes, V>(upper, lower, 28, queries + 14, stride, ref s);
        sums = s;
        return queries + 16;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPair<TLanes, V>((V Low, V High) upper, (V Low, V High) lower, int shift, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var first = Join<TLanes, V>(TLanes.Fraction(upper.Low, shift, 4), TLanes.Fraction(lower.Low, shift, 4));
        var second = Join<TLanes, V>(TLanes.Fraction(upper.High, shift, 4), TLanes.Fraction(lower.High, shift, 4));
        PackedProducts<TLanes, V>.Add(first, second, queries, queries + 1, stride, ref sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Join<TLanes, V>(V upper, V lower)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => TLanes.MultiplyAdd(lower, TLanes.Broadcast(Sixteenth), upper);
}
