using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The activation between the matrices of gpt-oss' experts: SwiGLU of halves that are kept within 7, with a steeper sigmoid.</summary>
public static class ClampedSwiGlu
{
    public static readonly Variant<SwiGluFunc>[] Variants = GatedActivation.VariantsOf<Rule>();

    private const float Limit = 7;
    private const float Steepness = 1.702f;

    /// <summary>
    /// y[i] = g / (1 + e^(-1.702 g)) * (u + 1), where g is gate[i] or 7 if that is less, u is up[i] kept within -7 and 7. The three are equally long; y
    /// may be gate or up.
    /// </summary>
    public static void Apply(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y) => GatedActivation.Apply<Rule>(gate, up, y);

    private readonly struct Rule : IGatedActivation
    {
        // Gates far below zero give 0 as SwiGLU's do.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Of<TLanes, V>(V gate, V up)
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
}
