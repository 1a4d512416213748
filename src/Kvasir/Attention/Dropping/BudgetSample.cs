using Kvasir.Ground;

namespace Kvasir.Attention.Dropping;

/// <summary>What prompts were found to want of a budget, layer by layer: how <see cref="XKV"/> is calibrated.</summary>
internal sealed class BudgetSample(int layerCount)
{
    private readonly double[] _shares = new double[layerCount * LayerBudgets.Steps];

    /// <summary>Prompts that were found out about: those with rows to choose among.</summary>
    public int PromptCount { get; private set; }

    /// <summary>Adds a prompt.</summary>
    /// <param name="heads">Of all layers; their scores are those that choose.</param>
    public void Add(PromptHeads heads)
    {
        if (heads[0].MiddleRows == 0)
            return;
        LayerGains.Add(heads, layerCount, _shares);
        PromptCount++;
    }

    /// <summary>[layers, <see cref="LayerBudgets.Steps"/>]: the mean over the prompts, at least one.</summary>
    public double[] MeanShares()
    {
        Invariant.Holds(PromptCount > 0);
        var means = new double[_shares.Length];
        for (var i = 0; i < means.Length; i++)
            means[i] = Math.Min(_shares[i] / PromptCount, 1);
        return means;
    }
}
