using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The loop that the activations of feed-forward layers without a gate share, in every width.</summary>
internal static class PlainActivation
{
    public static Variant<ActivationFunc>[] VariantsOf<T>()
        where T : struct, IPlainActivation =>
    [
        new("scalar", true, Wide<T, FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<T, FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<T, FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<T, FloatLanes512, Vector512<float>>),
    ];

    /// <summary>Replaces every x by T of it.</summary>
    public static void Apply<T>(Span<float> x)
        where T : struct, IPlainActivation
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<T, FloatLanes512, Vector512<float>>(x);
        else if (Vector256.IsHardwareAccelerated)
            Wide<T, FloatLanes256, Vector256<float>>(x);
        else if (Vector128.IsHardwareAccelerated)
            Wide<T, FloatLanes128, Vector128<float>>(x);
        else
            Wide<T, FloatLanes1, float>(x);
    }

    private static unsafe void Wide<T, TLanes, V>(Span<float> x)
        where T : struct, IPlainActivation
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        fixed (float* px = x)
        {
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(T.Of<TLanes, V>(TLanes.Load(px + i)), px + i);
            for (; i < x.Length; i++)
                px[i] = T.Of<FloatLanes1, float>(px[i]);
        }
    }
}

/// <summary>What becomes of a number.</summary>
internal interface IPlainActivation
{
    static abstract V Of<TLanes, V>(V x)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;
}
