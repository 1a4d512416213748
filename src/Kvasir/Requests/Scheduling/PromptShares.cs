namespace Kvasir.Requests.Scheduling;

/// <summary>How the prompt rows of a step are shared, so that a short question passes a long document and the document ends too.</summary>
internal static class PromptShares
{
    /// <summary>
    /// At least half to the first, the rest to others by fewest rows left, and what they leave to the first again.
    /// </summary>
    /// <param name="left">[prompts]: rows that each has left, at least 1.</param>
    /// <param name="costs">
    /// [prompts]: what a row of each takes; one that takes more than the first's counts for as much more, but the last 32 rows are anyone's.
    /// </param>
    /// <param name="rows">What there is to share.</param>
    /// <param name="shares">[prompts]: the answer.</param>
    public static void Divide(ReadOnlySpan<int> left, ReadOnlySpan<double> costs, int rows, Span<int> shares)
    {
        shares.Clear();
        shares[0] = Math.Min(left[0], left.Length == 1 ? rows : (rows + 1) / 2);
        var rest = rows - shares[0];
        for (var next = Fewest(left, shares); rest > 0 && next >= 0; next = Fewest(left, shares))
        {
            var weight = costs[next] > costs[0] ? costs[next] / costs[0] : 1;
            shares[next] = Math.Min(left[next], Math.Max(Math.Min(PromptBudget.UnitRows, rest), (int)(rest / weight)));
            rest = Math.Max(0, rest - (int)Math.Ceiling(Math.Min(rest, shares[next] * weight)));
        }

        shares[0] += Math.Min(left[0] - shares[0], rest);
    }

    /// <summary>All that each has left, one after the other.</summary>
    public static void InOrder(ReadOnlySpan<int> left, int rows, Span<int> shares)
    {
        for (var i = 0; i < left.Length; i++)
            rows -= shares[i] = Math.Min(left[i], rows);
    }

    // Of those that have no share yet, the first apart; -1 when all have.
    private static int Fewest(ReadOnlySpan<int> left, ReadOnlySpan<int> shares)
    {
        var fewest = -1;
        for (var i = 1; i < left.Length; i++)
        {
            if (shares[i] == 0 && (fewest < 0 || left[i] < left[fewest]))
                fewest = i;
        }

        return fewest;
    }
}
