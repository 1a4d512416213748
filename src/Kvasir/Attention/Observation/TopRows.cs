namespace Kvasir.Attention.Observation;

/// <summary>
/// The rows that collected most attention. Which they are changes slowly, so only rows near the threshold of the last choice are put in order; the rows chosen
/// do not depend on where the search begins.
/// </summary>
internal sealed class TopRows
{
    // How far around the last threshold the new one is looked for; the last resort is everywhere.
    private static readonly float[] Widths = [1 / 64f, 1 / 8f, 3 / 4f, float.PositiveInfinity];
    private float _threshold;

    /// <summary>
    /// Selects <paramref name="count"/> of the rows in [first, end) in ascending order, or all if there are no more; of rows with equal sums the newest.
    /// </summary>
    public void Select(CollectedAttention attention, (int First, int End) among, int count, SelectorScratch scratch, KvSelection selection)
    {
        var most = Math.Max(0, among.End - among.First);
        if (count >= most)
        {
            selection.AddRange(among.First, most);
            return;
        }

        if (count == 0)
            return;
        var rows = scratch.Whole(most);
        var sums = scratch.Floats(2 * most);
        foreach (var width in Widths)
        {
            // Sums are 0 or more, so that -1 is below all of them.
            var all = float.IsInfinity(width);
            var (low, high) = all ? (-1, width) : (_threshold * (1 - width), _threshold * (1 + width));
            var found = attention.Above(low, among, rows, sums);
            if (!all && found < count)
                continue;
            var (above, between) = Split(sums[..found], high, sums[most..]);
            // The threshold has risen farther, but no farther than what was found.
            if (above >= count)
                (above, between) = Split(sums[..found], float.PositiveInfinity, sums[most..]);
            count = Math.Min(count, found);
            if (count > 0)
                Add(rows[..found], sums, count, LargestNumbers.Largest(sums.Slice(most, between), count - above), selection);
            return;
        }
    }

    // Copies the sums that are not above the limit; says how many are, and how many not.
    private static (int Above, int Between) Split(ReadOnlySpan<float> sums, float limit, Span<float> between)
    {
        var count = 0;
        foreach (var sum in sums)
        {
            between[count] = sum;
            count += sum > limit ? 0 : 1;
        }

        return (sums.Length - count, count);
    }

    private void Add(ReadOnlySpan<int> rows, ReadOnlySpan<float> sums, int count, float threshold, KvSelection selection)
    {
        _threshold = threshold;
        var surplus = -count;
        for (var i = 0; i < rows.Length; i++)
            surplus += sums[i] >= threshold ? 1 : 0;
        for (var i = 0; i < rows.Length; i++)
        {
            if (sums[i] > threshold || (sums[i] == threshold && surplus-- <= 0))
                selection.Add(rows[i]);
        }
    }
}
