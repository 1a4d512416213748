namespace Kvasir.Attention.Policies;

/// <summary>Every row in sight: the reference for all other policies, and exact.</summary>
public sealed class Dense : AttentionPolicy
{
    internal static readonly PolicyEntry Entry = new(
        "dense", "every key and value is read; exact", "Vaswani et al. 2017, arXiv 1706.03762", "dense", static _ => new Dense(), []);

    public override string Name => "dense";

    public override bool ReadsEveryRow(int layer, (int First, int End) visible) => true;

    public override Selector CreateSelector(HeadPlace place) => AllRows.Instance;
}
