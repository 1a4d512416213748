using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The larger of a number and 0: the oldest activation, of OPT among others.</summary>
public static class Relu
{
    public static readonly Variant<ActivationFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>Replaces every x below 0 by 0. NaN stays, so that damage shows.</summary>
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

    private static unsafe void Wide<TLanes, V>(Span<float> x)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        fixed (float* px = x)
        {
            var (i, zero) = (0, TLanes.Broadcast(0));
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
            {
                var value = TLanes.Load(px + i);
                TLanes.Store(TLanes.ZeroWhereBelow(value, zero, value), px + i);
            }

            for (; i < x.Length; i++)
                px[i] = px[i] < 0 ? 0 : px[i];
        }
    }
}
