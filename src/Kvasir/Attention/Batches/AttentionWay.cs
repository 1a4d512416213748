using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Batches;

/// <summary>A way to attend the rows of a segment: into how many items of work it is divided, and how each is done. Stateless; what a worker needs lies in
/// its scratch.</summary>
internal abstract class AttentionWay
{
    /// <summary>Items of work that a segment is in one layer.</summary>
    /// <param name="kvHeadCount">KV heads of a layer.</param>
    public abstract int ItemCount(in Segment segment, int kvHeadCount);

    /// <summary>Whether items may leave <see cref="RoundParts"/> for others to help with.</summary>
    public virtual bool TakesHelp => false;

    /// <summary>
    /// Whether candidates are written into the cache and indexed here, each when those before it are attended; only the first row of a segment is before.
    /// </summary>
    public virtual bool AppendsCandidates => false;

    /// <summary>Does one item: writes the outputs of its rows. Any worker may, in any order.</summary>
    /// <param name="item">From 0.</param>
    /// <param name="counts">Takes what choosing took and what was read.</param>
    public abstract void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts);
}
