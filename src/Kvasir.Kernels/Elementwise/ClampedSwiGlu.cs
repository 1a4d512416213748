using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The activation between the matrices of gpt-oss' experts: SwiGLU of halves that are kept within 7, with a steeper sigmoid.</summary>
public static class ClampedSwiGlu
{
    public static readonly Variant<SwiGluFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    private const float Limit = 7;
    private const float Steepness = 1.702f;

    /// <summary>
    /// y[i] = g / (1 + e^(-1.702 g)) * (u + 1), where g is gate[i] or 7 if that is less, u is up[i] kept within -7 and 7. The three are equally long; y
    /// may be gate or up.
    /// </summary>
    public static void Apply(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y)
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<FloatLanes512, Vector512<float>>(gate, up, y);
        else if (Vector256.IsHardwareAccelerated)
            Wide<FloatLanes256, Vector256<float>>(gate, up, y);
        else if (Vector128.IsHardwareAccelerated)
            Wide<FloatLanes128, Vector128<float>>(gate, up, y);
        else
            Wide<FloatLanes1, float>(gate, up, y);
    }

    private static unsafe void Wide<TLanes, V>(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        Lengths.RequireEqual(up.Length, gate.Length, nameof(up));
        Lengths.RequireEqual(y.Length, gate.Length, nameof(y));
        fixed (float* pg = gate, pu = up, py = y)
        {
            var i = 0;
            for (; i <= gate.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(Gated<TLanes, V>(TLanes.Load(pg + i), TLanes.Load(pu + i)), py + i);
            for (; i < gate.Length; i++)
                py[i] = Gated<FloatLanes1, float>(pg[i], pu[i]);
        }
    }

    // Gates far below zero give 0 as SwiGLU's do.
    private static V Gated<TLanes, V>(V gate, V up)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var (one, limit) = (TLanes.Broadcast(1), TLanes.Broadcast(Limit));
        gate = TLanes.AtMost(gate, limit);
        up = TLanes.Max(TLanes.AtMost(up, limit), TLanes.Broadcast(-Limit));
        var inverse = Exponential.Of<TLanes, V>(TLanes.Multiply(TLanes.Broadcast(-Steepness), gate));
        return TLanes.Multiply(TLanes.Divide(gate, TLanes.Add(one, inverse)), TLanes.Add(up, one));
    }
}
