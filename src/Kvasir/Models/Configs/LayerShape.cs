namespace Kvasir.Models.Configs;

/// <summary>
/// How one layer computes, beside the sizes that all layers of a model share (<see cref="ModelConfig"/>): every family is these properties with other values,
/// and the loop over layers knows nothing else of it.
/// </summary>
public sealed record LayerShape
{
    /// <summary>Whether queries, keys and values have a bias.</summary>
    public bool HasQkvBias { get; init; }

    /// <summary>Whether the attention's output has a bias.</summary>
    public bool HasOutputBias { get; init; }

    /// <summary>Whether each head of queries and keys passes a norm before it is rotated.</summary>
    public bool HasQkNorm { get; init; }
}
