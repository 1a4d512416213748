using Kvasir.Attention;

namespace Kvasir.Evaluation.Running;

/// <summary>How samples of a batch are run: what is computed densely, and the policy of the rest.</summary>
internal readonly record struct BatchProtocol(Protocol Protocol, AttentionPolicy Policy);
