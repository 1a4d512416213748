using Kvasir.Attention.Audit;
using Kvasir.Attention.Observation;
using Kvasir.Kernels.Attention;
using Kvasir.Models;

namespace Kvasir.Attention;

/// <summary>What one worker needs to attend all KV heads of a layer round by round: a scratch for each, and whose rows and selectors are in work.</summary>
internal sealed class LayerScratch : IDisposable
{
    private readonly AttentionScratch[] _scratch;
    private readonly AttentionHead[] _heads;
    private readonly int _groupHeads;

    public LayerScratch(AttentionShape shape, KvType type, int maxRows)
    {
        _groupHeads = shape.GroupHeads;
        _heads = new AttentionHead[shape.KvHeadCount];
        _scratch = new AttentionScratch[shape.KvHeadCount];
        for (var i = 0; i < _scratch.Length; i++)
            _scratch[i] = new AttentionScratch(shape, type, maxRows, takesPrompts: false);
    }

    public int KvHeadCount => _scratch.Length;

    public long Bytes
    {
        get
        {
            var bytes = 0L;
            foreach (var scratch in _scratch)
                bytes += scratch.Bytes;
            return bytes;
        }
    }

    /// <summary>Takes a head into work; its queries are to be put in its scratch.</summary>
    public void Set(int kvHead, AttentionHead head) => _heads[kvHead] = head;

    public AttentionHead Head(int kvHead) => _heads[kvHead];

    public AttentionScratch Scratch(int kvHead) => _scratch[kvHead];

    public SoftmaxSum Sum(int kvHead) => _scratch[kvHead].Sum(_groupHeads);

    /// <param name="visible">The rows in sight.</param>
    public HeadQuery Query(int kvHead, (int First, int End) visible) =>
        new(_heads[kvHead].Rows, _scratch[kvHead].Queries(_groupHeads), visible.First, visible.End, _scratch[kvHead].Selector);

    public void PrepareToObserve(AttentionShape shape, int maxRows)
    {
        foreach (var scratch in _scratch)
            scratch.Observed ??= new ObservedWeights(shape.GroupHeads, maxRows);
    }

    public void PrepareToCompare(AttentionShape shape)
    {
        foreach (var scratch in _scratch)
            scratch.Comparison ??= new DenseComparison(shape);
    }

    /// <summary>Of all heads, since the last call.</summary>
    public SelectionCounts TakeCounts()
    {
        var counts = default(SelectionCounts);
        foreach (var scratch in _scratch)
            (counts, scratch.Counts) = (counts + scratch.Counts, default);
        return counts;
    }

    /// <summary>As <see cref="AttentionScratch.Abandon"/>, for every head.</summary>
    public void Abandon()
    {
        foreach (var scratch in _scratch)
            scratch.Abandon();
    }

    public void Dispose()
    {
        foreach (var scratch in _scratch)
            scratch.Dispose();
    }
}
