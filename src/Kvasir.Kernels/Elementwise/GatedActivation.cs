using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The loop that the activations of gated feed-forward layers share: one number of each half at a time, in every width.</summary>
internal static class GatedActivation
{
    public static Variant<SwiGluFunc>[] VariantsOf<T>()
        where T : struct, IGatedActivation =>
    [
        new("scalar", true, Wide<T, FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<T, FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<T, FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<T, FloatLanes512, Vector512<float>>),
    ];

    /// <summary>y[i] = T of gate[i] and up[i]. The three are equally long; y may be gate or up.</summary>
    public static void Apply<T>(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y)
        where T : struct, IGatedActivation
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<T, FloatLanes512, Vector512<float>>(gate, up, y);
        else if (Vector256.IsHardwareAccelerated)
            Wide<T, FloatLanes256, Vector256<float>>(gate, up, y);
        else if (Vector128.IsHardwareAccelerated)
            Wide<T, FloatLanes128, Vector128<float>>(gate, up, y);
        else
            Wide<T, FloatLanes1, float>(gate, up, y);
    }

    private static unsafe void Wide<T, TLanes, V>(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y)
        where T : struct, IGatedActivation
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        Lengths.RequireEqual(up.Length, gate.Length, nameof(up));
        Lengths.RequireEqual(y.Length, gate.Length, nameof(y));
        fixed (float* pg = gate, pu = up, py = y)
        {
            var i = 0;
            for (; i <= gate.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(T.Of<TLanes, V>(TLanes.Load(pg + i), TLanes.Load(pu + i)), py + i);
            for (; i < gate.Length; i++)
                py[i] = T.Of<FloatLanes1, float>(pg[i], pu[i]);
        }
    }
}

/// <summary>What becomes of a number of the gate and one of the other half.</summary>
internal interface IGatedActivation
{
    static abstract V Of<TLanes, V>(V gate, V up)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;
}
