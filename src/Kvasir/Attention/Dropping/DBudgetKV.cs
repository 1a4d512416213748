using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// As many rows as attention can lose (DBudgetKV, later ReFreeKV): rows go in a fixed order, the oldest behind the sinks first, as long as the norm of a
/// layer's attention loses no more than a threshold. There is no budget: a prompt and a layer that look at few rows keep few. The norm is that of the last
/// row of the prompt, as in the paper's code, or of all rows that are observed (Frobenius), which the paper takes of the whole prompt. It is summed over the
/// query heads of a layer, which keep equally many rows.
/// </summary>
public sealed class DBudgetKV(PolicySpec spec) : PromptDropping(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "dbudgetkv", "the newest tokens of a prompt, as many as it takes until the norm of attention is kept; no budget",
        "DBudgetKV (ReFreeKV): Ni et al. 2025, arXiv 2502.16886", "dbudgetkv:threshold=1e-30,min-context=0", static spec => new DBudgetKV(spec),
        OptionsWithoutShare(sinks: 4, recent: 32, observed: 32,
            [
                PolicyOption.Real("threshold", 0.01, 0, 1, "of the norm that may be lost; the paper's code has 0.05 for last-token"),
                PolicyOption.Choice("metric", "whose norm: of all observed prompt tokens' attention, or of the last one's", "frobenius", "last-token"),
                PolicyOption.Choice(
                    "order", "who goes last: the newest, who collected most attention, or who and whose neighbours did", "position", "h2o", "snapkv"),
            ]))
    {
        Effect = PolicyEffect.Drop,
        Budgets = PolicyBudget.Of("threshold", 0.5, 0.2, 0.05, 0.01, 0.002),
    };

    private const int Smoothed = 5;
    private readonly double _threshold = spec.Real("threshold");
    private readonly string _order = spec.Word("order");

    internal override ObservedSquares Squares { get; } = spec.Is("metric", "last-token") ? ObservedSquares.OfLast : ObservedSquares.OfAll;

    internal override void Decide(PromptHeads heads)
    {
        for (var first = 0; first < heads.Count;)
        {
            var end = heads.LayerEnd(first);
            for (var i = first; i < end; i++)
                Rank(heads[i]);
            var kept = KeptIn(heads, first, end);
            for (; first < end; first++)
                heads[first].Kept = kept;
        }
    }

    private void Rank(PromptHead head)
    {
        if (_order == "position")
            head.ScoreByAge();
        else if (_order == "snapkv")
            head.Smooth(Smoothed, largest: false);
    }

    // The fewest rows between the zones with which the layer's norms keep what they must: from none on, the best first.
    private int KeptIn(PromptHeads heads, int first, int end)
    {
        var (rows, count) = (heads[first].MiddleRows, end - first);
        if (rows == 0)
            return 0;
        using var memory = new NativeBuffer((long)count * rows * sizeof(ulong));
        var group = heads[first].Place.GroupHeads;
        var (all, squares) = (0.0, new double[count * group]);
        for (var i = 0; i < count; i++)
        {
            heads[first + i].OrderMiddle(memory.View.Span<ulong>((long)i * rows * sizeof(ulong), rows));
            for (var head = 0; head < group; head++)
                all += Math.Sqrt(heads[first + i].SumSquares(head, out squares[(i * group) + head]));
        }

        // Where nothing was observed everything stays.
        for (var kept = 0; kept < rows && all > 0; kept++)
        {
            if (Norm(squares) >= (1 - _threshold) * all)
                return kept;
            for (var i = 0; i < count; i++)
            {
                var best = (int)(uint)memory.View.Span<ulong>((long)i * rows * sizeof(ulong), rows)[rows - 1 - kept];
                for (var head = 0; head < group; head++)
                    squares[(i * group) + head] += heads[first + i].Square(head, best);
            }
        }

        return rows;
    }

    private static double Norm(double[] squares)
    {
        var norm = 0.0;
        foreach (var square in squares)
            norm += Math.Sqrt(square);
        return norm;
    }
}

/// <summary>Of which observed rows of a prompt the squares of weights are wanted.</summary>
internal enum ObservedSquares
{
    None,
    OfLast,
    OfAll,
}
