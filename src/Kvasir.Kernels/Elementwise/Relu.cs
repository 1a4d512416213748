using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The larger of a number and 0: the oldest activation, of OPT among others.</summary>
public static class Relu
{
    public static readonly Variant<ActivationFunc>[] Variants = PlainActivation.VariantsOf<Rule>();

    /// <summary>Replaces every x below 0 by 0. NaN stays, so that damage shows.</summary>
    public static void Apply(Span<float> x) => PlainActivation.Apply<Rule>(x);

    private readonly struct Rule : IPlainActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Of<TLanes, V>(V x)
            where TLanes : struct, IFloatLanes<V>
            where V : struct => TLanes.ZeroWhereBelow(x, TLanes.Broadcast(0), x);
    }
}
