namespace Kvasir.Attention.Dropping;

/// <summary>
/// SnapKV with more rows in low layers than in high ones (PyramidKV): budgets fall in equal steps from twice the mean, less the least, to a share of the mean.
/// Where a low layer has no more rows to keep, the high ones get what is left, as in the paper's code.
/// </summary>
public sealed class PyramidKV(PolicySpec spec) : PromptDropping(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "pyramidkv", "as snapkv, with more tokens in low layers than in high ones",
        "PyramidKV: Cai et al. 2024, arXiv 2406.02069", "pyramidkv:share=1,min-context=0", static spec => new PyramidKV(spec),
        Options(sinks: 0, recent: 32, observed: 32,
            [PolicyOption.Real("beta", 20, 1, 1000, "how many times less than the mean the highest layer keeps"), .. SnapKV.Smoothing()]))
    {
        Effect = PolicyEffect.Drop,
        Budgets = Shares,
    };

    private readonly float _beta = spec.Real("beta");
    private readonly (int Width, bool Largest) _smoothing = SnapKV.Smoothed(spec);

    internal override void Decide(PromptHeads heads) => SnapKV.Smooth(heads, _smoothing);

    protected override int Kept((int Layer, int LayerCount) place, int middleRows, int mean)
    {
        if (place.LayerCount == 1)
            return mean;
        var least = mean / _beta;
        var most = 2 * mean - least;
        if (most > middleRows)
            (most, least) = (middleRows, 2 * mean - middleRows);
        return (int)(most - place.Layer * (most - least) / (place.LayerCount - 1));
    }
}
