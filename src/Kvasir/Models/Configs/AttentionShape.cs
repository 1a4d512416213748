namespace Kvasir.Models.Configs;

/// <summary>The attention of a model, as far as its kernels care.</summary>
/// <param name="LayerCount">Layers.</param>
/// <param name="HeadCount">Query heads, a multiple of <paramref name="KvHeadCount"/>.</param>
/// <param name="KvHeadCount">KV heads; with <see cref="WindowHeads"/> those of layers that see all.</param>
/// <param name="Dim">Elements of a query and of a key.</param>
/// <param name="WindowTokens">Of a sliding window: a query sees this many rows, its own among them; null sees all.</param>
public readonly record struct AttentionShape(int LayerCount, int HeadCount, int KvHeadCount, int Dim, int? WindowTokens)
{
    /// <summary>Elements of a value, and of a head's output.</summary>
    public int ValueDim { get; init; } = Dim;

    /// <summary>What products of queries and keys are multiplied by.</summary>
    public float ScoreScale { get; init; } = 1 / MathF.Sqrt(Dim);

    /// <summary>c, where a score s counts as c tanh(s / c); 0 where it counts as it is.</summary>
    public float ScoreCap { get; init; }

    /// <summary>[layers]: those that see all rows in spite of the window; null where none does.</summary>
    public IReadOnlyList<bool>? FullLayers { get; init; }

    /// <summary>[layers][query heads]: a score of each head that belongs to no row and takes its share of the softmax; null where there is none.</summary>
    public IReadOnlyList<float[]>? LayerSinks { get; init; }

    /// <summary>[query heads]: those of one layer, see <see cref="At"/>.</summary>
    public float[]? Sinks { get; init; }

    /// <summary>What layers with a window have otherwise; null where that is nothing.</summary>
    public HeadSizes? WindowHeads { get; private init; }

    // Where heads stand; null where layers have as many of them.
    private HeadList? Heads { get; init; }

    /// <summary>The same with heads of other sizes in layers with a window.</summary>
    internal AttentionShape With(HeadSizes windowed)
    {
        var (full, sees) = (KvHeadCount, FullLayers!);
        return this with { WindowHeads = windowed, Heads = new HeadList([.. sees.Select(seesAll => seesAll ? full : windowed.KvHeadCount)]) };
    }

    /// <summary>KV heads of all layers.</summary>
    public int TotalKvHeads => Heads?.Count ?? LayerCount * KvHeadCount;

    /// <summary>KV heads of the layers before one: the heads of all layers stand one after another.</summary>
    internal int HeadsBefore(int layer) => Heads?.First(layer) ?? layer * KvHeadCount;

    /// <summary>KV heads of a layer.</summary>
    internal int KvHeadsAt(int layer) => WindowHeads is { } windowed && !SeesAll(layer) ? windowed.KvHeadCount : KvHeadCount;

    /// <summary>Which head stands at a place.</summary>
    internal (int Layer, int KvHead) PlaceOf(int head) => Heads?.PlaceOf(head) ?? (head / KvHeadCount, head % KvHeadCount);

    /// <summary>The same with the sizes of layers with a window in place of the others', for who has to do with these layers alone.</summary>
    internal AttentionShape Windowed() =>
        WindowHeads is { } heads ? this with { KvHeadCount = heads.KvHeadCount, Dim = heads.Dim, ValueDim = heads.Dim } : this;

    /// <summary>The same in one layer, which has a window or has none, heads of its own sizes, and sinks of its own.</summary>
    public AttentionShape At(int layer)
    {
        var own = FullLayers?[layer] == true ? this with { WindowTokens = null } : Windowed();
        return LayerSinks is { } sinks ? own with { Sinks = sinks[layer] } : own;
    }

    /// <summary>[group]: the sinks of the query heads that share a KV head; empty where there are none.</summary>
    public ReadOnlyMemory<float> SinksOf(int kvHead) => Sinks is { } sinks ? sinks.AsMemory(kvHead * GroupHeads, GroupHeads) : default;

    /// <summary>Whether a layer sees all rows before a query.</summary>
    public bool SeesAll(int layer) => WindowTokens is null || FullLayers?[layer] == true;

    /// <summary>Layers that do.</summary>
    public int FullLayerCount => WindowTokens is null ? LayerCount : FullLayers?.Count(static sees => sees) ?? 0;

    /// <summary>These layers alone, as policies see a model: they have to do with no others.</summary>
    public AttentionShape Full() => WindowTokens is null
        ? this
        : this with
        {
            LayerCount = FullLayerCount,
            WindowTokens = null,
            FullLayers = null,
            LayerSinks = null,
            WindowHeads = null,
            Heads = null,
            LeavesOut = true,
        };

    /// <summary>Whether it leaves out layers with a window.</summary>
    public bool LeavesOut { get; private init; }

    /// <summary>Query heads that share a KV head.</summary>
    public int GroupHeads => HeadCount / KvHeadCount;

    /// <summary>The oldest row that a query at <paramref name="position"/> sees.</summary>
    public int FirstVisible(int position) => WindowTokens is { } window ? Math.Max(0, position - window + 1) : 0;

    /// <summary>The rows that a query at <paramref name="position"/> sees, from the oldest to one past its own.</summary>
    public (int First, int End) Visible(int position) => (FirstVisible(position), position + 1);
}
