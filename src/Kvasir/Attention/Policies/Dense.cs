namespace Kvasir.Attention.Policies;

/// <summary>Every row in sight: the reference for all other policies, and exact.</summary>
public sealed class Dense(PolicySpec spec) : AttentionPolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "dense", "every key and value is read; exact", "Vaswani et al. 2017, arXiv 1706.03762", "dense", static spec => new Dense(spec), []);

    public override bool ReadsEveryRow(int layer, (int First, int End) visible) => true;

    public override bool SuitsFiles => true;

    public override Selector CreateSelector(HeadPlace place) => AllRows.Instance;
}
