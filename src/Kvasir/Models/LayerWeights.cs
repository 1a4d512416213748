using Kvasir.Kernels.Matrix;

namespace Kvasir.Models;

/// <summary>
/// The weights of one layer. Matrices are [outputs, inputs]; parts that a model lacks are null. Norms are [2, n] in place of [n] where they have biases, which
/// come second (<see cref="Configs.NormKind.MeanAndVarianceWithBias"/>).
/// </summary>
public sealed record LayerWeights
{
    /// <summary>[Width]: of what attention reads.</summary>
    public float[]? AttentionNorm { get; init; }

    /// <summary>[Width]: of what attention adds.</summary>
    public float[]? AttentionOutputNorm { get; init; }

    /// <summary>[HeadCount x HeadDim, Width].</summary>
    public required WeightMatrix Query { get; init; }

    /// <summary>[KvHeadCount x HeadDim, Width].</summary>
    public required WeightMatrix Key { get; init; }

    /// <summary>
    /// [KvHeadCount x HeadDim, Width]; fewer rows where values are narrower (<see cref="ModelOptions.KvRank"/>), and empty where they are what keys are.
    /// </summary>
    public required WeightMatrix Value { get; init; }

    /// <summary>[Width, HeadCount x HeadDim]; fewer columns where values are narrower.</summary>
    public required WeightMatrix Output { get; init; }

    public float[]? QueryBias { get; init; }

    public float[]? KeyBias { get; init; }

    public float[]? ValueBias { get; init; }

    public float[]? OutputBias { get; init; }

    /// <summary>[HeadCount]: scores that belong to no row.</summary>
    public float[]? Sinks { get; init; }

    /// <summary>[HeadDim], the same for every head, or [HeadCount x HeadDim]: see <see cref="Configs.LayerShape.QkNorm"/>.</summary>
    public float[]? QueryNorm { get; init; }

    /// <summary>[HeadDim], the same for every head, or [KvHeadCount x HeadDim].</summary>
    public float[]? KeyNorm { get; init; }

    /// <summary>[Width]: of what the feed-forward part reads; null too where it reads what attention reads.</summary>
    public float[]? FeedForwardNorm { get; init; }

    /// <summary>[Width]: of what the feed-forward part adds.</summary>
    public float[]? FeedForwardOutputNorm { get; init; }

    /// <summary>What all that comes out of the layer is multiplied by.</summary>
    public float Scale { get; init; } = 1;

    /// <summary>[FeedForwardWidth, Width]; empty where the layer has experts alone, or no gate.</summary>
    public required WeightMatrix Gate { get; init; }

    /// <summary>[FeedForwardWidth, Width]; empty where the layer has experts alone.</summary>
    public required WeightMatrix Up { get; init; }

    /// <summary>[Width, FeedForwardWidth]; empty where the layer has experts alone.</summary>
    public required WeightMatrix Down { get; init; }

    /// <summary>[FeedForwardWidth].</summary>
    public float[]? UpBias { get; init; }

    /// <summary>[Width].</summary>
    public float[]? DownBias { get; init; }

    /// <summary>Null where every row goes through the same matrices.</summary>
    public ExpertWeights? Experts { get; init; }

    /// <summary>Bytes of the matrices that every step reads: all but those of experts.</summary>
    public long MatrixBytes =>
        Query.Bytes + Key.Bytes + Value.Bytes + Output.Bytes + Gate.Bytes + Up.Bytes + Down.Bytes + (Experts?.Router.Bytes ?? 0);
}
