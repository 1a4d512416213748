using Kvasir.Attention.Zones;
using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// SnapKV's scores with a budget for each layer that a sample of somebody's own prompts has found (XKV): where one row more has most of a layer's attention,
/// that layer gets it. The paper samples while it serves, and its code runs each sampled prompt a second time; here a calibration does it once, and its file
/// says what each layer keeps at any share.
/// </summary>
public sealed class XKV : PromptDropping
{
    internal static readonly PolicyEntry Entry = new(
        "xkv", "as snapkv, with as many tokens in each layer as a sample of your own prompts wants there",
        "XKV: Li et al. 2024, arXiv 2412.05896", "xkv:share=1,min-context=0", static spec => new XKV(spec),
        Options(sinks: 0, recent: 8, observed: 8,
            [PolicyOption.Text("file", "a file of the model's layer budgets"), .. SnapKV.Smoothing(7)]))
    {
        Needs = "calibration: file=PATH, written by kvasir calibrate --for xkv",
        Effect = PolicyEffect.Drop,
        Budgets = Shares,
    };

    private readonly string _file;
    private readonly (int Width, bool Largest) _smoothing;
    private readonly Lazy<LayerBudgets> _budgets;

    // Null but where a calibration samples prompts, of which everything is kept.
    private readonly BudgetSample? _sample;

    internal XKV(PolicySpec spec)
        : base(spec)
    {
        (_file, _smoothing) = (spec.Word("file"), SnapKV.Smoothed(spec));
        // What is only listed reads no file.
        _budgets = new Lazy<LayerBudgets>(() => _file.Length > 0 ? LayerBudgets.Load(_file) : throw new KvasirException(
            KvasirError.BadOption, "attention policy 'xkv' needs file=PATH, which kvasir calibrate --for xkv writes"));
    }

    /// <summary>Keeps all rows of prompts, and finds out which share of a budget each layer would have.</summary>
    internal XKV(BudgetSample sample)
        : this(new PolicySpec(Entry).With(ShareName, "1").With(ExactZones.MinContextName, "0")) => _sample = sample;

    internal override void Decide(PromptHeads heads)
    {
        SnapKV.Smooth(heads, _smoothing);
        _sample?.Add(heads);
    }

    protected override void RequireShape(AttentionShape shape)
    {
        if (_sample is null)
            _budgets.Value.RequireFits(_file, shape);
    }

    protected override int Kept((int Layer, int LayerCount) place, int middleRows, int mean)
    {
        if (middleRows == 0 || _sample is not null)
            return mean;
        // Layers that are dense have no part in it: the others share the whole as they would beside them.
        var (share, sum, count) = ((double)mean / middleRows, 0.0, 0);
        for (var layer = 0; layer < place.LayerCount; layer++)
        {
            if (Zones.DenseLayers.Contains(layer))
                continue;
            sum += _budgets.Value.Of(layer, share);
            count++;
        }

        return sum == 0 ? mean : (int)Math.Round(_budgets.Value.Of(place.Layer, share) * share * count / sum * middleRows);
    }
}
