using Kvasir.Cache;

namespace Kvasir.Attention;

/// <summary>The KV heads of one layer of a sequence whose prompt is over: what each has learnt, and what it gives up.</summary>
public readonly ref struct LayerHeads
{
    private readonly SequenceCache _rows;
    private readonly int _layer;
    private readonly ReadOnlySpan<Selector> _selectors;
    private readonly ReadOnlySpan<RowEdit> _edits;

    /// <param name="selectors">[KV heads]</param>
    /// <param name="edits">[KV heads], begun.</param>
    internal LayerHeads(SequenceCache rows, int layer, (int First, int End) visible, ReadOnlySpan<Selector> selectors, ReadOnlySpan<RowEdit> edits)
    {
        (_rows, _layer, Layer, Visible) = (rows, layer, layer, visible);
        _selectors = selectors;
        _edits = edits;
    }

    /// <summary>As the policy counts layers: of those that see all rows.</summary>
    public int Layer { get; private init; }

    /// <summary>KV heads.</summary>
    public int Count => _edits.Length;

    /// <summary>The positions in sight of the next query, the first generated one.</summary>
    public (int First, int End) Visible { get; }

    public KvHead Rows(int kvHead) => _rows.Head(_layer, kvHead);

    public Selector Selector(int kvHead) => _selectors[kvHead];

    /// <summary>Takes the answer for a head.</summary>
    public RowEdit Edit(int kvHead) => _edits[kvHead];

    /// <summary>The same for a policy that counts some of the layers.</summary>
    internal LayerHeads Counted(int layer) => new(_rows, _layer, Visible, _selectors, _edits) { Layer = layer };
}
