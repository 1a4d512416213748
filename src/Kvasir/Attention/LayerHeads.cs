using Kvasir.Attention.Batches;
using Kvasir.Cache;

namespace Kvasir.Attention;

/// <summary>The KV heads of one layer of a sequence whose prompt is over: what each has learnt, and what it gives up.</summary>
public readonly ref struct LayerHeads
{
    private readonly SequenceAttention _attention;
    private readonly ReadOnlySpan<RowEdit> _edits;

    /// <param name="edits">[KV heads], begun.</param>
    internal LayerHeads(SequenceAttention attention, int layer, (int First, int End) visible, ReadOnlySpan<RowEdit> edits)
    {
        (_attention, Layer, Visible) = (attention, layer, visible);
        _edits = edits;
    }

    public int Layer { get; }

    /// <summary>KV heads.</summary>
    public int Count => _edits.Length;

    /// <summary>The positions in sight of the next query, the first generated one.</summary>
    public (int First, int End) Visible { get; }

    public KvHead Rows(int kvHead) => _attention.Head(Layer, kvHead).Rows;

    public Selector Selector(int kvHead) => _attention.Head(Layer, kvHead).Selector;

    /// <summary>Takes the answer for a head.</summary>
    public RowEdit Edit(int kvHead) => _edits[kvHead];
}
