using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate void SoftCapFunc(Span<float> x, float cap);

/// <summary>A bound that numbers come near but do not pass: of scores and of logits, in models that were trained so.</summary>
public static class SoftCap
{
    public static readonly Variant<SoftCapFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>Replaces every x by cap tanh(x / cap), within 2^-22 cap. NaN stays NaN.</summary>
    /// <param name="cap">Above 0.</param>
    public static void Apply(Span<float> x, float cap)
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<FloatLanes512, Vector512<float>>(x, cap);
        else if (Vector256.IsHardwareAccelerated)
            Wide<FloatLanes256, Vector256<float>>(x, cap);
        else if (Vector128.IsHardwareAccelerated)
            Wide<FloatLanes128, Vector128<float>>(x, cap);
        else
            Wide<FloatLanes1, float>(x, cap);
    }

    private static unsafe void Wide<TLanes, V>(Span<float> x, float cap)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        fixed (float* p = x)
        {
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(Capped<TLanes, V>(TLanes.Load(p + i), cap), p + i);
            for (; i < x.Length; i++)
                p[i] = Capped<FloatLanes1, float>(p[i], cap);
        }
    }

    // tanh z = 1 - 2 / (1 + e^2z), of which infinity makes 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Capped<TLanes, V>(V x, float cap)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var power = Exponential.Of<TLanes, V>(TLanes.Multiply(x, TLanes.Broadcast(2 / cap)));
        return TLanes.Subtract(TLanes.Broadcast(cap), TLanes.Divide(TLanes.Broadcast(2 * cap), TLanes.Add(TLanes.Broadcast(1), power)));
    }
}
