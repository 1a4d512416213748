using Kvasir.Files;

namespace Kvasir.Models.Configs;

/// <summary>
/// What tells one model from another: sizes that all layers share, positions, and how each layer computes.
/// </summary>
public sealed record ModelConfig
{
    /// <summary>The kind, as its file names it: a name of those that <c>kvasir inspect</c> and docs/models.md list.</summary>
    public required string Architecture { get; init; }

    /// <summary>For people; from the file, or the file's own name.</summary>
    public required string Name { get; init; }

    /// <summary>From the embedding to the output.</summary>
    public required LayerShapes Layers { get; init; }

    public int LayerCount => Layers.Count;

    /// <summary>Elements of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Of the feed-forward part that every row goes through; 0 where all layers have experts alone (<see cref="ExpertShape.Width"/>).</summary>
    public required int FeedForwardWidth { get; init; }

    /// <summary>Query heads: a multiple of <see cref="KvHeadCount"/>.</summary>
    public required int HeadCount { get; init; }

    public required int KvHeadCount { get; init; }

    /// <summary>Elements of a head, even; not always Width / HeadCount.</summary>
    public required int HeadDim { get; init; }

    /// <summary>What layers with a window have in place of <see cref="KvHeadCount"/> and <see cref="HeadDim"/>; null for the same.</summary>
    public HeadSizes? WindowHeads { get; init; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The native window: tokens that the model was made for, with the scaling that its file asks for.</summary>
    public required int ContextTokens { get; init; }

    /// <summary>What the norms of rows and heads are.</summary>
    public NormKind Norm { get; init; }

    /// <summary>Added to the mean square, or the variance, in norms.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>What rows of the embedding are multiplied by.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>What logits are multiplied by. <see cref="Weights.OutputNorm"/> has it in its weights: nobody multiplies by it again.</summary>
    public float LogitScale { get; init; } = 1;

    /// <summary>What products of queries and keys are multiplied by; null for 1 / sqrt(<see cref="HeadDim"/>).</summary>
    public float? ScoreScale { get; init; }

    /// <summary>c, where a product of query and key, multiplied so, counts as c tanh(s / c); null where it counts as it is.</summary>
    public float? ScoreCap { get; init; }

    /// <summary>The same of logits.</summary>
    public float? LogitCap { get; init; }

    public required RopeConfig Rope { get; init; }

    /// <summary>
    /// Where positions are learned, a row of a table for each: how many of its rows belong to no position and come first. Then <see cref="ContextTokens"/>
    /// are all that there are. Null where positions are not learned.
    /// </summary>
    public int? UnusedPositions { get; init; }

    /// <summary>How queries grow with their positions; null where they do not.</summary>
    public QueryTemperature? QueryTemperature { get; init; }

    /// <summary>How layers with a window are rotated; null for <see cref="Rope"/>.</summary>
    public RopeConfig? WindowRope { get; init; }

    /// <summary>What the gate of the feed-forward part passes through.</summary>
    public GateKind Gate { get; init; }

    /// <summary>Whether the feed-forward part has two matrices before its activation, or one.</summary>
    public bool HasGate => Gate is not (GateKind.PlainGelu or GateKind.PlainRelu);

    /// <summary>
    /// Latest tokens that a token sees, itself included, in layers that do not see all; null where all do. See <see cref="LayerShape.SeesAll"/>.
    /// </summary>
    public int? SlidingWindowTokens { get; init; }

    /// <summary>Whether the output matrix is the embedding.</summary>
    public bool TiedEmbedding { get; init; }

    /// <summary>The sizes that attention works with.</summary>
    public AttentionShape Attention
    {
        get
        {
            var isMixed = SlidingWindowTokens is not null && Layers.Any(static layer => layer.SeesAll);
            var shape = new AttentionShape(LayerCount, HeadCount, KvHeadCount, HeadDim, SlidingWindowTokens)
            {
                ValueDim = ValueDim,
                ScoreCap = ScoreCap ?? 0,
                FullLayers = isMixed ? [.. Layers.Select(static layer => layer.SeesAll)] : null,
            };
            shape = ScoreScale is { } scale ? shape with { ScoreScale = scale } : shape;
            if (WindowHeads is not { } windowed)
                return shape;
            return isMixed ? shape.With(windowed) : shape with { KvHeadCount = windowed.KvHeadCount, Dim = windowed.Dim, ValueDim = windowed.Dim };
        }
    }

    /// <summary>KV heads and their elements in a layer.</summary>
    internal HeadSizes HeadsOf(LayerShape layer) => layer.SeesAll || WindowHeads is null ? new HeadSizes(KvHeadCount, HeadDim) : WindowHeads.Value;

    /// <summary>Elements of a row's queries in the layer that has most.</summary>
    internal int MostQueryWidth => HeadCount * Math.Max(HeadDim, WindowHeads?.Dim ?? 0);

    /// <summary>Elements of a row's keys in the layer that has most.</summary>
    internal int MostKeyWidth => Math.Max(KvHeadCount * HeadDim, WindowKeyWidth);

    /// <summary>The same of values.</summary>
    internal int MostValueWidth => Math.Max(KvHeadCount * ValueDim, WindowKeyWidth);

    /// <summary>The same of what is attended.</summary>
    internal int MostAttendedWidth => HeadCount * Math.Max(ValueDim, WindowHeads?.Dim ?? 0);

    private int WindowKeyWidth => WindowHeads is { } windowed ? windowed.KvHeadCount * windowed.Dim : 0;

    /// <summary>Elements of a value in the cache: those of a head, or fewer (<see cref="ModelOptions.KvRank"/>).</summary>
    internal int ValueDim
    {
        get => field == 0 ? HeadDim : field;
        init;
    }

    /// <summary>The context that an option asks for.</summary>
    /// <param name="tokens">0 for that of the model.</param>
    /// <exception cref="KvasirException">The model has no positions as far as that.</exception>
    internal int ContextOf(int tokens)
    {
        if (UnusedPositions is not null && tokens > ContextTokens)
        {
            throw new KvasirException(
                KvasirError.BadOption, $"a context of {tokens} tokens is out of range: the model has learned positions for {ContextTokens}");
        }

        return tokens == 0 ? ContextTokens : tokens;
    }

    /// <summary>The same with values of fewer elements.</summary>
    /// <param name="rank">0 for as many as a head has.</param>
    /// <exception cref="KvasirException">They are more than those of a head.</exception>
    internal ModelConfig WithValues(int rank) => rank >= 0 && rank <= HeadDim
        ? rank == 0 || !Layers.Any(static layer => layer.NormsValues) ? this with { ValueDim = rank }
            : throw new KvasirException(KvasirError.BadOption, $"values of rank {rank} are not supported: {Architecture} norms its values")
        : throw new KvasirException(KvasirError.BadOption, $"values of rank {rank} are out of range: 1 to {HeadDim}, which the model's heads have");

    /// <summary>Holds the sizes against each other; <paramref name="file"/> is for the message.</summary>
    internal ModelConfig RequireSound(string file)
    {
        if (HeadCount % KvHeadCount != 0)
            throw Bad($"{HeadCount} query heads are not a multiple of {KvHeadCount} KV heads");
        if (HeadDim % 2 != 0)
            throw Bad($"the head dimension is {HeadDim}, and positions rotate pairs");
        if (WindowHeads is { } own && (HeadCount % own.KvHeadCount != 0 || own.Dim % 2 != 0 || ScoreScale is null || WindowRope?.Dim > own.Dim))
            throw Bad($"layers with a window have {own.KvHeadCount} KV heads of {own.Dim} for {HeadCount} query heads, which do not fit each other");
        if (Rope.Dim % 2 != 0 || Rope.Dim > HeadDim)
            throw Bad($"{Rope.Dim} elements of a head of {HeadDim} rotate; an even number of at most {HeadDim} is expected");
        if (ScoreCap <= 0 || LogitCap <= 0)
            throw Bad($"scores are capped at {ScoreCap} and logits at {LogitCap}; more than 0 is expected");
        if (Rope.Scaling == RopeScaling.Yarn && Rope.BetaFast <= Rope.BetaSlow)
            throw Bad($"YaRN's beta_fast {Rope.BetaFast} must be above its beta_slow {Rope.BetaSlow}");
        foreach (var layer in Layers)
        {
            var isBeside = layer is { Experts.HasOwnNorms: true, Norms: NormPlacement.Around };
            if (layer.Experts is not null && (layer.IsParallel || !(isBeside || layer.Norms == NormPlacement.Before) || !HasGate))
                throw Bad("experts are supported behind a norm, one after the other with attention, and with a gate");
            if ((layer.HasScale && layer.Norms == NormPlacement.Before) || (layer.NormsValues && Norm != NormKind.RootMeanSquare))
                throw Bad("a factor of a layer, and norms of values, are supported with a root mean square behind each branch");
            if (layer.HasDenseFeedForward && Gate == GateKind.ClampedSilu)
                throw Bad("clamped SiLU is supported in experts alone");
        }

        return this;

        KvasirException Bad(string problem) => new(KvasirError.BadFile, $"{file}: {problem}");
    }
}

/// <summary>How a row is normalised before it is multiplied by the norm's weights.</summary>
public enum NormKind
{
    /// <summary>By the root of its mean square.</summary>
    RootMeanSquare,

    /// <summary>By mean and variance, without a bias.</summary>
    MeanAndVariance,

    /// <summary>By mean and variance, and a bias is added: weights of norms are followed by as many biases.</summary>
    MeanAndVarianceWithBias,
}

/// <summary>What the gate of a feed-forward part passes through before it is multiplied with the other half; or the one half, where there is no gate.</summary>
public enum GateKind
{
    /// <summary>x sigmoid(x): SwiGLU.</summary>
    Silu,

    /// <summary>GELU by its approximation with tanh: GeGLU.</summary>
    GeluTanh,

    /// <summary>SwiGLU of clamped halves, the second plus 1: gpt-oss'. Of experts alone.</summary>
    ClampedSilu,

    /// <summary>GELU by the error function, and there is no gate: the one half passes through it.</summary>
    PlainGelu,

    /// <summary>max(x, 0), likewise.</summary>
    PlainRelu,
}
