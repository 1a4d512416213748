namespace Kvasir.Attention.Dropping;

/// <summary>
/// SnapKV's scores, with one budget for all heads of a layer (Ada-KV): the best rows of the layer stay, whichever head they are of, so that heads which look at
/// many rows keep more. A floor is every head's own.
/// </summary>
public sealed class AdaKV(PolicySpec spec) : PromptDropping(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "adakv", "as snapkv, with one budget for all heads of a layer: those that look at many tokens keep more",
        "Ada-KV: Feng et al. 2024, arXiv 2407.11550", "adakv:share=1,min-context=0", static spec => new AdaKV(spec),
        Options(sinks: 0, recent: 32, observed: 32,
            [PolicyOption.Real("floor", 0.2, 0, 1, "of the mean that every head keeps whatever the others have"), .. SnapKV.Smoothing()]))
    {
        Effect = PolicyEffect.Drop,
        Budgets = Shares,
    };

    private readonly float _floor = spec.Real("floor");
    private readonly (int Width, bool Largest) _smoothing = SnapKV.Smoothed(spec);

    internal override void Decide(PromptHeads heads)
    {
        SnapKV.Smooth(heads, _smoothing);
        for (var first = 0; first < heads.Count;)
        {
            var end = heads.LayerEnd(first);
            Divide(heads, first, end);
            first = end;
        }
    }

    // Heads of a layer are alike in how many rows lie between their zones, and so in what they keep in the mean.
    private void Divide(PromptHeads heads, int first, int end)
    {
        var (mean, all) = (heads[first].Kept, heads[first].Kept * (end - first));
        if (all == 0)
            return;
        var search = new LargestSearch(all, stackalloc int[LargestSearch.CountsLength]);
        while (search.Begin())
        {
            for (var i = first; i < end; i++)
                heads[i].AddTo(ref search);
        }

        var equalLeft = all;
        for (var i = first; i < end; i++)
            equalLeft -= heads[i].Count(search.Found).Above;
        // What is rounded down goes on to the next head.
        var (wanted, given) = (0.0, 0);
        for (var i = first; i < end; i++)
        {
            var (above, equal) = heads[i].Count(search.Found);
            var ties = Math.Min(equal, equalLeft);
            equalLeft -= ties;
            wanted += (above + ties) * (1.0 - _floor) + (double)mean * _floor;
            heads[i].Kept = Math.Min((int)Math.Round(wanted) - given, heads[i].MiddleRows);
            given = (int)Math.Round(wanted);
        }
    }
}
