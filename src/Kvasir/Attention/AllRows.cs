namespace Kvasir.Attention;

/// <summary>Every row in sight, in one round of one range; without state, so that all heads share one instance.</summary>
internal sealed class AllRows : Selector
{
    public static readonly AllRows Instance = new();

    private AllRows()
    {
    }

    public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
    {
        if (round > 0)
            return false;
        selection.AddRange(query.FirstRow, query.EndRow - query.FirstRow);
        return true;
    }
}
