using Kvasir.Attention.Observation;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Heads;

/// <summary>What one worker needs to attend all KV heads of a layer round by round: a scratch for each, and which heads are in work.</summary>
internal sealed class LayerScratch : IDisposable
{
    private readonly AttentionScratch[] _scratch;
    private readonly AttentionHead[] _heads;
    private readonly Watchers[] _watchers;
    private readonly SelectionCounts[] _counts;
    private readonly int _groupHeads;

    /// <param name="parts">Of the worker, who divides one head's rows at a time.</param>
    public LayerScratch(AttentionShape shape, KvFormat format, int maxRows, RoundParts parts)
    {
        _groupHeads = shape.GroupHeads;
        (_heads, _watchers, _counts) = (new AttentionHead[shape.KvHeadCount], new Watchers[shape.KvHeadCount], new SelectionCounts[shape.KvHeadCount]);
        _scratch = new AttentionScratch[shape.KvHeadCount];
        for (var i = 0; i < _scratch.Length; i++)
            _scratch[i] = new AttentionScratch(shape, format, maxRows, takesPrompts: false, parts);
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
    /// <param name="watchers">Who is told what it reads.</param>
    public void Set(int kvHead, AttentionHead head, in Watchers watchers) => (_heads[kvHead], _watchers[kvHead], _counts[kvHead]) = (head, watchers, default);

    public AttentionHead Head(int kvHead) => _heads[kvHead];

    public ref readonly Watchers Watchers(int kvHead) => ref _watchers[kvHead];

    /// <summary>What choosing took and what was read, since the head was set.</summary>
    public ref SelectionCounts Counts(int kvHead) => ref _counts[kvHead];

    public AttentionScratch Scratch(int kvHead) => _scratch[kvHead];

    public SoftmaxSum Sum(int kvHead) => _scratch[kvHead].Sum(_groupHeads);

    /// <param name="visible">The positions in sight.</param>
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

    public void Dispose()
    {
        foreach (var scratch in _scratch)
            scratch.Dispose();
    }
}
