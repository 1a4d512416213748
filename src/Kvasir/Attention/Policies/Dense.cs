namespace Kvasir.Attention.Policies;

/// <summary>Every row in sight: the reference for all other policies, and exact.</summary>
public sealed class Dense : AttentionPolicy
{
    private static readonly AllRows Selector = new();

    public override string Name => "dense";

    public override bool ReadsEveryRow => true;

    public override Selector CreateSelector(HeadPlace place) => Selector;

    // One round of one range; without state, so that all heads share one instance.
    private sealed class AllRows : Selector
    {
        public override bool Select(in HeadQuery query, int round, in SoftmaxSum sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            selection.AddRange(query.FirstRow, query.EndRow - query.FirstRow);
            return true;
        }
    }
}
