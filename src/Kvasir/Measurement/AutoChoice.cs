using Kvasir.Attention;

namespace Kvasir;

/// <summary>What <see cref="AutoAttention"/> chose.</summary>
/// <param name="Attention">The policy and its options.</param>
/// <param name="SparseFrom">
/// The context length in tokens from which on attention is sparse; null where it is dense in every context the engine can have.
/// </param>
public sealed record AutoChoice(PolicySpec Attention, int? SparseFrom)
{
    /// <summary>For people.</summary>
    public override string ToString() => SparseFrom is { } tokens
        ? FormattableString.Invariant($"auto: dense below {tokens:N0} tokens, {AutoAttention.Policy} from there on")
        : "auto: dense";
}
