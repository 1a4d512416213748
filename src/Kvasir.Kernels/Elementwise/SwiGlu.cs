using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Elementwise;

public delegate void SwiGluFunc(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y);

/// <summary>The activation between a gated feed-forward layer's matrices.</summary>
public static class SwiGlu
{
    public static readonly Variant<SwiGluFunc>[] Variants = GatedActivation.VariantsOf<Rule>();

    /// <summary>y[i] = gate[i] / (1 + e^-gate[i]) * up[i]. The three are equally long; y may be gate or up.</summary>
    public static void Apply(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y) => GatedActivation.Apply<Rule>(gate, up, y);

    private readonly struct Rule : IGatedActivation
    {
        // For gates below -88.4, e^-gate is infinity and the quotient -0, which is what the true 1e-37 rounds to for any use.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Of<TLanes, V>(V gate, V up)
            where TLanes : struct, IFloatLanes<V>
            where V : struct
        {
            var inverse = Exponential.Of<TLanes, V>(TLanes.Subtract(TLanes.Broadcast(0), gate));
            return TLanes.Multiply(TLanes.Divide(gate, TLanes.Add(TLanes.Broadcast(1), inverse)), up);
        }
    }
}
