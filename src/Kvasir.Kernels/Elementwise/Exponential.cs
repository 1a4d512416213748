using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate void ExponentialFunc(Span<float> x);

/// <summary>
/// e^x with a relative error below 2e-7 on [-87, 88]. Below -87.33 the result is 0, where a float would be subnormal; above
/// 88.37 it is infinity, a little early; NaN stays NaN.
/// </summary>
public static class Exponential
{
    public static readonly Variant<ExponentialFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>Replaces every x by e^x.</summary>
    public static void Apply(Span<float> x)
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<FloatLanes512, Vector512<float>>(x);
        else if (Vector256.IsHardwareAccelerated)
            Wide<FloatLanes256, Vector256<float>>(x);
        else if (Vector128.IsHardwareAccelerated)
            Wide<FloatLanes128, Vector128<float>>(x);
        else
            Wide<FloatLanes1, float>(x);
    }

    /// <summary>
    /// x = n ln 2 + r with |r| at most ln(2) / 2, so e^x = 2^n e^r. Adding 1.5 * 2^23 rounds x / ln 2 to the integer n and leaves it in
    /// the low bits. ln 2 is subtracted in two parts, the first of so few bits that n times it is exact. e^r is the polynomial of
    /// degree 6 with 1 + r fixed that has the smallest relative error on the interval: 3.1e-9.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Of<TLanes, V>(V x)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        const float RoundingShift = 12582912f;
        const float LargestArgument = 89f;
        const float SmallestArgument = -87.33654f;
        var bounded = TLanes.AtMost(x, TLanes.Broadcast(LargestArgument));
        var shifted = TLanes.MultiplyAdd(bounded, TLanes.Broadcast(1.44269504f), TLanes.Broadcast(RoundingShift));
        var n = TLanes.Subtract(shifted, TLanes.Broadcast(RoundingShift));
        var r = TLanes.MultiplyAdd(n, TLanes.Broadcast(-0.693359375f), bounded);
        r = TLanes.MultiplyAdd(n, TLanes.Broadcast(2.12194440e-4f), r);
        var p = TLanes.MultiplyAdd(r, TLanes.Broadcast(1.3814540e-3f), TLanes.Broadcast(8.3687451e-3f));
        p = TLanes.MultiplyAdd(r, p, TLanes.Broadcast(4.1668391e-2f));
        p = TLanes.MultiplyAdd(r, p, TLanes.Broadcast(0.16666520f));
        p = TLanes.MultiplyAdd(r, p, TLanes.Broadcast(0.49999993f));
        p = TLanes.MultiplyAdd(TLanes.Multiply(r, r), p, r);
        p = TLanes.Add(p, TLanes.Broadcast(1f));
        return TLanes.ZeroWhereBelow(x, TLanes.Broadcast(SmallestArgument), TLanes.Multiply(p, TLanes.PowerOfTwo(shifted)));
    }

    private static unsafe void Wide<TLanes, V>(Span<float> x)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        fixed (float* px = x)
        {
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(Of<TLanes, V>(TLanes.Load(px + i)), px + i);
            for (; i < x.Length; i++)
                px[i] = Of<FloatLanes1, float>(px[i]);
        }
    }
}
