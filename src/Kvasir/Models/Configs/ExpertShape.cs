namespace Kvasir.Models.Configs;

/// <summary>
/// The experts of a layer: feed-forward parts of which a router chooses some for each row.
/// <code>
/// s = router x;   the rows' experts are those with the largest s, of equal ones the one with the lower index
/// b = scale * sum of w_e * Expert_e(x), in that order;   plus Shared(x) where every row has a part in common
/// </code>
/// </summary>
public sealed record ExpertShape
{
    /// <summary>Experts of the layer.</summary>
    public required int Count { get; init; }

    /// <summary>Experts that a row goes through.</summary>
    public required int Used { get; init; }

    /// <summary>Elements between the matrices of an expert.</summary>
    public required int Width { get; init; }

    /// <summary>What w is made of.</summary>
    public RouterKind Router { get; init; }

    /// <summary>What all w are multiplied by.</summary>
    public float Scale { get; init; } = 1;

    /// <summary>Whether the router and every product of an expert have a bias.</summary>
    public bool HasBiases { get; init; }

    /// <summary>
    /// Whether experts and the part beside them have norms of their own, and the router another: b = p1(Shared(n3(y))) + p2(Experts(q2(y))).
    /// </summary>
    public bool HasOwnNorms { get; init; }

    /// <summary>Whether what an expert gives is multiplied by a number of its own.</summary>
    public bool HasOutputScales { get; init; }

    /// <summary>Whether there is a feed-forward part beside them, of <see cref="ModelConfig.FeedForwardWidth"/>, that every row goes through.</summary>
    public bool HasShared { get; init; }
}

/// <summary>How the weights of the chosen experts follow from what the router says of all.</summary>
public enum RouterKind
{
    /// <summary>Softmax over the chosen: their weights add up to 1.</summary>
    OfChosen,

    /// <summary>Softmax over all experts: what those that were not chosen have is lost.</summary>
    OfAll,
}
