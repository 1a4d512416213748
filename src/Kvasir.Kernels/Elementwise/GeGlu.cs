using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The activation between a gated feed-forward layer's matrices where it is GELU, by its approximation with tanh.</summary>
public static class GeGlu
{
    public static readonly Variant<SwiGluFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>
    /// y[i] = gate[i] / 2 * (1 + tanh(sqrt(2 / pi) (gate[i] + 0.044715 gate[i]^3))) * up[i]. The three are equally long; y may be gate or up.
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

    // (1 + tanh z) / 2 = 1 / (1 + e^-2z).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Gated<TLanes, V>(V gate, V up)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        const float Slope = -1.5957691216f;      // -2 sqrt(2 / pi)
        var cubic = TLanes.MultiplyAdd(TLanes.Multiply(gate, gate), TLanes.Broadcast(0.044715f * Slope), TLanes.Broadcast(Slope));
        var inverse = Exponential.Of<TLanes, V>(TLanes.Multiply(gate, cubic));
        return TLanes.Multiply(TLanes.Divide(gate, TLanes.Add(TLanes.Broadcast(1), inverse)), up);
    }
}
