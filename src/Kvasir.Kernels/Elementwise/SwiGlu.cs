using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate void SwiGluFunc(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y);

/// <summary>The activation between a gated feed-forward layer's matrices.</summary>
public static class SwiGlu
{
    public static readonly Variant<SwiGluFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>y[i] = gate[i] / (1 + e^-gate[i]) * up[i]. The three are equally long; y may be gate or up.</summary>
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

    // For gates below -88.4, e^-gate is infinity and the quotient -0, which is what the true 1e-37 rounds to for any use.
    private static V Gated<TLanes, V>(V gate, V up)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var inverse = Exponential.Of<TLanes, V>(TLanes.Subtract(TLanes.Broadcast(0), gate));
        return TLanes.Multiply(TLanes.Divide(gate, TLanes.Add(TLanes.Broadcast(1), inverse)), up);
    }
}
