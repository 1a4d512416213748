namespace Kvasir.Attention.Indexes;

/// <summary>
/// What the KV heads of one layer agree on when they read the same blocks: a block is worth what it is to the query head that wants it most, and reading goes
/// on until every one of them is covered. Told of the heads in order, from KV head 0 on, in every round.
/// </summary>
internal sealed class LayerBlocks
{
    private BlockProgress? _first;

    /// <summary>Of the head that has read least.</summary>
    public float Coverage { get; private set; }

    /// <summary>Takes the scores of a head's blocks.</summary>
    public void Rank(int kvHead, BlockProgress progress)
    {
        if (kvHead == 0)
            _first = progress;
        else
            _first!.RankWith(progress);
    }

    /// <summary>Gives a head the scores of all.</summary>
    public void Agree(BlockProgress progress)
    {
        if (progress != _first)
            progress.RankAs(_first!);
    }

    public void Cover(int kvHead, float coverage) => Coverage = kvHead == 0 ? coverage : MathF.Min(Coverage, coverage);
}
