using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Elementwise;

public delegate void ActivationFunc(Span<float> x);

/// <summary>GELU by the error function: what stands between the matrices of a feed-forward layer without a gate.</summary>
public static class Gelu
{
    public static readonly Variant<ActivationFunc>[] Variants = PlainActivation.VariantsOf<Rule>();

    /// <summary>Replaces every x by x / 2 * (1 + erf(x / sqrt(2))), with an error below 4e-7 of |x|.</summary>
    public static void Apply(Span<float> x) => PlainActivation.Apply<Rule>(x);

    private readonly struct Rule : IPlainActivation
    {
        // max(x, 0) - |x| / 2 erfc(|x| / sqrt(2)): both signs by one formula, and no digits lost where they cancel. erfc(z) is e^(-z^2) times a polynomial in
        // 1 / (1 + p z) (Abramowitz and Stegun 7.1.26, off by at most 1.5e-7).
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Of<TLanes, V>(V x)
            where TLanes : struct, IFloatLanes<V>
            where V : struct
        {
            const float Slope = 0.23164189f;        // p / sqrt(2)
            var zero = TLanes.Broadcast(0);
            var size = TLanes.Max(x, TLanes.Subtract(zero, x));
            var t = TLanes.Divide(TLanes.Broadcast(1), TLanes.MultiplyAdd(size, TLanes.Broadcast(Slope), TLanes.Broadcast(1)));
            var p = TLanes.MultiplyAdd(t, TLanes.Broadcast(1.061405429f), TLanes.Broadcast(-1.453152027f));
            p = TLanes.MultiplyAdd(t, p, TLanes.Broadcast(1.421413741f));
            p = TLanes.MultiplyAdd(t, p, TLanes.Broadcast(-0.284496736f));
            p = TLanes.MultiplyAdd(t, p, TLanes.Broadcast(0.254829592f));
            var falling = Exponential.Of<TLanes, V>(TLanes.Multiply(TLanes.Multiply(x, x), TLanes.Broadcast(-0.5f)));
            var tail = TLanes.Multiply(TLanes.Multiply(p, t), falling);
            return TLanes.MultiplyAdd(TLanes.Multiply(size, TLanes.Broadcast(-0.5f)), tail, TLanes.Max(x, zero));
        }
    }
}
