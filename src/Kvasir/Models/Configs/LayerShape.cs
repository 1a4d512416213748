namespace Kvasir.Models.Configs;

/// <summary>
/// How one layer computes, beside the sizes that all layers of a model share (<see cref="ModelConfig"/>):
/// <code>
/// a = Mix(n1(x));   x1 = x + r n2(a)
/// b = Feed(n3(y));  x2 = g (x1 + r n4(b))  y = x1, or x where both branches are computed side by side
/// </code>
/// Every family is these properties with other values, and the loop over layers knows nothing else of it.
/// </summary>
public sealed record LayerShape
{
    /// <summary>Which of the norms n1 to n4 there are.</summary>
    public NormPlacement Norms { get; init; }

    /// <summary>Whether the feed-forward part reads what attention reads, n1(x), in place of a norm of what attention has added to.</summary>
    public bool IsParallel { get; init; }

    /// <summary>Whether the feed-forward part of such a layer reads n3(x), a norm of its own.</summary>
    public bool HasTwoNorms { get; init; }

    /// <summary>r: what the output of each branch is multiplied by before it is added.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Whether the layer sees all rows before it where the model has a window.</summary>
    public bool SeesAll { get; init; }

    /// <summary>Whether queries and keys are rotated by their positions; without, the layer knows no positions.</summary>
    public bool Rotates { get; init; } = true;

    /// <summary>Which of queries, keys and values have a bias.</summary>
    public ProjectionBiases QkvBiases { get; init; }

    /// <summary>Whether any of them has.</summary>
    public bool HasQkvBias => QkvBiases != ProjectionBiases.None;

    /// <summary>Whether the attention's output has a bias.</summary>
    public bool HasOutputBias { get; init; }

    /// <summary>Whether the feed-forward part's products have biases: that before its activation, and that behind it. Only without a gate.</summary>
    public bool HasFeedForwardBias { get; init; }

    /// <summary>Whether each query head has a sink: <see cref="AttentionShape.LayerSinks"/>. All layers of a model have, or none.</summary>
    public bool HasSinks { get; init; }

    /// <summary>How queries and keys are normalised, beside the norm of what they are projected from.</summary>
    public QkNorm QkNorm { get; init; }

    /// <summary>Whether each head's values are normalised, without weights.</summary>
    public bool NormsValues { get; init; }

    /// <summary>Whether values are what keys are before their norm and rotation, and have no matrix of their own.</summary>
    public bool ValuesAreKeys { get; init; }

    /// <summary>Whether what comes out of the layer is multiplied by a number of its own, g: the whole, and not a branch.</summary>
    public bool HasScale { get; init; }

    /// <summary>The experts that take the place of the feed-forward part, or stand beside it; null where it is the same for every row.</summary>
    public ExpertShape? Experts { get; init; }

    /// <summary>Whether there is a feed-forward part that every row goes through.</summary>
    public bool HasDenseFeedForward => Experts is null or { HasShared: true };
}

/// <summary>Where a layer's norms stand.</summary>
public enum NormPlacement
{
    /// <summary>n1 and n3: before each branch, as in most families.</summary>
    Before,

    /// <summary>n2 and n4: behind each branch, before it is added.</summary>
    After,

    /// <summary>All four.</summary>
    Around,
}

/// <summary>What is normalised of queries and keys, and when.</summary>
public enum QkNorm
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Each head before it is rotated, all with the same weights.</summary>
    Heads,

    /// <summary>Each head once it is rotated, all with the same weights.</summary>
    RotatedHeads,

    /// <summary>Each head before it is rotated, with weights of its own.</summary>
    OwnHeads,

    /// <summary>All heads of a row as one, before they are rotated.</summary>
    Row,
}
