namespace Kvasir.Attention.Dropping;

/// <summary>
/// What the last rows of a prompt, the window, read before them (SnapKV): attention summed over the window and smoothed, so that neighbours of what is wanted
/// stay too; each head keeps its best rows, and the window. Heads that share keys and values are summed, where the paper's code chooses for each query head.
/// </summary>
public sealed class SnapKV(PolicySpec spec) : PromptDropping(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "snapkv", "the prompt's tokens that its last ones read, and their neighbours; the others are given up for good when it is over",
        "SnapKV: Li et al. 2024, arXiv 2404.14469", "snapkv:share=1,min-context=0", static spec => new SnapKV(spec),
        Options(sinks: 0, recent: 32, observed: 32, Smoothing()))
    {
        Effect = PolicyEffect.Drop,
        Budgets = Shares,
    };

    private readonly (int Width, bool Largest) _smoothing = Smoothed(spec);

    /// <summary>The options of <see cref="Smooth"/>.</summary>
    internal static PolicyOption[] Smoothing(int width = 5) =>
    [
        PolicyOption.Whole("kernel", width, 1, PromptHead.MostSmoothed, "neighbouring tokens whose attention is smoothed together: odd, or one more is taken"),
        PolicyOption.Choice("pool", "how it is smoothed", "mean", "max"),
    ];

    /// <summary>What the options say.</summary>
    internal static (int Width, bool Largest) Smoothed(PolicySpec spec) => (spec.Whole("kernel") | 1, spec.Is("pool", "max"));

    /// <summary>Smooths the scores of all heads.</summary>
    internal static void Smooth(PromptHeads heads, (int Width, bool Largest) smoothing)
    {
        for (var i = 0; i < heads.Count; i++)
            heads[i].Smooth(smoothing.Width, smoothing.Largest);
    }

    internal override void Decide(PromptHeads heads) => Smooth(heads, _smoothing);
}
