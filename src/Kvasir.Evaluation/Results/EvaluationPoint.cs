using Kvasir.Attention;

namespace Kvasir.Evaluation.Results;

/// <summary>One policy at one length under one protocol: means over its samples of a task, or of all tasks. Null is what was not measured.</summary>
public sealed record EvaluationPoint
{
    /// <summary>Null for all tasks together, where every sample counts the same.</summary>
    public string? Task { get; init; }

    /// <summary>Tokens that were asked for.</summary>
    public required int Context { get; init; }

    public required Protocol Protocol { get; init; }

    public required string Policy { get; init; }

    public required int SampleCount { get; init; }

    /// <summary>In 0 to 1.</summary>
    public double? Score { get; init; }

    /// <summary>The score minus dense attention's on the same samples.</summary>
    public PairedDifference? Difference { get; init; }

    /// <summary>As a share of the cached rows there were.</summary>
    public double? KeysRead { get; init; }

    /// <summary>The same, layer by layer.</summary>
    public required IReadOnlyList<double?> LayerKeysRead { get; init; }

    /// <summary>Milliseconds of a prompt.</summary>
    public double? PromptMs { get; init; }

    /// <summary>Of all tokens that were fed under the policy.</summary>
    public double? MsPerToken { get; init; }

    /// <summary>Of the same tokens: keys, values and index.</summary>
    public double? BytesPerToken { get; init; }

    /// <summary>From dense attention, in nats a token.</summary>
    public double? Divergence { get; init; }

    /// <summary>In nats a token; the perplexity is its exponential.</summary>
    public double? Loss { get; init; }

    public PairedDifference? LossDifference { get; init; }

    /// <summary>As a share of the attention mass.</summary>
    public double? MassKept { get; init; }

    /// <summary>Of attention's output, relative.</summary>
    public double? OutputError { get; init; }

    /// <summary>The policy's name without its options.</summary>
    public string Family => PolicySpec.Family(Policy);
}
