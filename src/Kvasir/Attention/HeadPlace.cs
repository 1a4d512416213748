using Kvasir.Models.Configs;

namespace Kvasir.Attention;

/// <summary>Which head a selector serves: layer and KV head count from 0; the group is the query heads that share it.</summary>
/// <param name="Layer">Of <paramref name="LayerCount"/>.</param>
/// <param name="LayerCount">Layers in the model.</param>
/// <param name="KvHead">Within the layer.</param>
/// <param name="GroupHeads">Query heads per KV head, at least 1.</param>
/// <param name="Dim">Elements of a query and of a key.</param>
/// <param name="MaxRows">The most rows that the head will hold.</param>
public readonly record struct HeadPlace(int Layer, int LayerCount, int KvHead, int GroupHeads, int Dim, int MaxRows)
{
    /// <summary>Elements of a value, and of a query head's output.</summary>
    public int ValueDim { get; init; } = Dim;

    /// <summary>What <see cref="AttentionPolicy.ShareIndex"/> made for all sequences; null where nobody did, and a selector makes its own.</summary>
    public IDisposable? Shared { get; init; }

    /// <summary>
    /// What <see cref="AttentionPolicy.CreateTogether"/> made for the heads of this sequence; null where nobody did, and a head decides alone.
    /// </summary>
    public object? Together { get; init; }

    /// <summary>How far generated rows may be taken back.</summary>
    public TakeBackLimits TakeBack { get; init; }

    /// <summary>Rows that will be attended as a prompt; 0 where that is not known, and then there are no parts to be read.</summary>
    public int PromptRows { get; init; }

    /// <summary>
    /// Rows at the beginning with which other sequences begin too: what an index knows of them, it has from them alone, whoever's it is. Whole prompts at most;
    /// 0 for none.
    /// </summary>
    public int PrefixRows { get; init; }

    /// <summary>
    /// The index of those rows, as <see cref="AttentionPolicy.CreatePrefix"/> made it for all who begin with them; null where nobody did, and a selector makes
    /// its own.
    /// </summary>
    public IDisposable? Prefix => Prefixes?.Of(this);

    internal PrefixIndexes? Prefixes { get; init; }

    /// <summary>A head of a layer of a model.</summary>
    public static HeadPlace Of(AttentionShape shape, int layer, int kvHead, int maxRows) =>
        new(layer, shape.LayerCount, kvHead, shape.GroupHeads, shape.Dim, maxRows) { ValueDim = shape.ValueDim };
}

/// <summary>How far generated rows may be taken back by <see cref="Selector.Truncate"/>; none by default, so that nobody keeps anything for it.</summary>
/// <param name="Steps">The most rows that are taken back at a time.</param>
/// <param name="Marks">The newest numbers of rows, given to <see cref="Selector.Mark"/>, that it may come back to.</param>
public readonly record struct TakeBackLimits(int Steps, int Marks);
