using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The activation between a gated feed-forward layer's matrices where it is GELU, by its approximation with tanh.</summary>
public static class GeGlu
{
    public static readonly Variant<SwiGluFunc>[] Variants = GatedActivation.VariantsOf<Rule>();

    /// <summary>
    /// y[i] = gate[i] / 2 * (1 + tanh(sqrt(2 / pi) (gate[i] + 0.044715 gate[i]^3))) * up[i]. The three are equally long; y may be gate or up.
    /// </summary>
    public static void Apply(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y) => GatedActivation.Apply<Rule>(gate, up, y);

    private readonly struct Rule : IGatedActivation
    {
        // (1 + tanh z) / 2 = 1 / (1 + e^-2z).
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Of<TLanes, V>(V gate, V up)
            where TLanes : struct, IFloatLanes<V>
            where V : struct
        {
            const float Slope = -1.5957691216f;      // -2 sqrt(2 / pi)
            var cubic = TLanes.MultiplyAdd(TLanes.Multiply(gate, gate), TLanes.Broadcast(0.044715f * Slope), TLanes.Broadcast(Slope));
            var inverse = Exponential.Of<TLanes, V>(TLanes.Multiply(gate, cubic));
            return TLanes.Multiply(TLanes.Divide(gate, TLanes.Add(TLanes.Broadcast(1), inverse)), up);
        }
    }
}
