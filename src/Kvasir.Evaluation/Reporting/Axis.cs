namespace Kvasir.Evaluation.Reporting;

/// <summary>A range of round numbers that holds what is shown.</summary>
/// <param name="IsLog">Whether equal lengths are equal factors; both ends are above 0 then.</param>
/// <param name="Step">Between ticks; of a logarithmic axis, 0.</param>
internal sealed record Axis(double Least, double Most, bool IsLog, double Step)
{
    private const double Tiny = 1e-6;
    private const double LeastGap = 0.085;
    private static readonly double[] RoundDigits = [1, 2, 5, 10];
    private static readonly double[] FineDigits = [1, 1.5, 2, 3, 5, 7, 10];

    // The first that leaves room between ticks is taken.
    private static readonly double[][] TickDigits = [[1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9], [1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5, 7], [1, 2, 5]];

    /// <summary>From one round number to another.</summary>
    /// <param name="values">Those that are not above 0 stand at the left end.</param>
    public static Axis Logarithmic(IEnumerable<double> values)
    {
        var shown = values.Where(static value => double.IsFinite(value) && value > 0).DefaultIfEmpty(1).ToArray();
        var (least, most) = (RoundBelow(shown.Min(), FineDigits), RoundAbove(shown.Max(), FineDigits));
        return most > 1.2 * least ? new Axis(least, most, true, 0) : new Axis(RoundBelow(least / 1.5, FineDigits), RoundAbove(most * 1.5, FineDigits), true, 0);
    }

    /// <summary>With about five ticks.</summary>
    /// <param name="shortest">Length below which differences would look larger than they are.</param>
    public static Axis Linear(IEnumerable<double> values, double shortest, double limit)
    {
        var shown = values.Where(double.IsFinite).DefaultIfEmpty(limit).ToArray();
        var most = Math.Min(shown.Max(), limit);
        var least = Math.Min(shown.Min(), most - shortest);
        var step = RoundAbove((most - least) / 5, RoundDigits);
        return new Axis(step * Math.Floor((least / step) + Tiny), step * Math.Ceiling((most / step) - Tiny), false, step);
    }

    /// <summary>From 0 to 1; what is outside stands at an end.</summary>
    public double Place(double value) =>
        Math.Clamp(IsLog ? Math.Log(Math.Max(value, Least) / Least) / Math.Log(Most / Least) : (value - Least) / (Most - Least), 0, 1);

    /// <summary>The values that are named: of a logarithmic axis, as many digits of every decade as there is room for, or every so many decades.</summary>
    public IReadOnlyList<double> Ticks()
    {
        if (!IsLog)
            return [.. Enumerable.Range(0, (int)Math.Round((Most - Least) / Step) + 1).Select(i => Least + (i * Step))];
        foreach (var digits in TickDigits)
        {
            var ticks = Decades().SelectMany(decade => digits.Select(digit => digit * decade)).Where(IsInside).ToArray();
            if (ticks.Length > 1 && ticks.Skip(1).Zip(ticks).All(pair => Place(pair.First) - Place(pair.Second) >= LeastGap))
                return ticks;
        }

        var decades = Decades().Where(IsInside).ToArray();
        return [.. decades.Where((_, i) => i % (1 + (int)(decades.Length * LeastGap)) == 0)];
    }

    private IEnumerable<double> Decades()
    {
        for (var power = (int)Math.Floor(Math.Log10(Least) + Tiny); power <= Math.Log10(Most) + Tiny; power++)
            yield return Math.Pow(10, power);
    }

    private bool IsInside(double value) => value >= Least * (1 - Tiny) && value <= Most * (1 + Tiny);

    private static double RoundBelow(double value, double[] digits)
    {
        var decade = Math.Pow(10, Math.Floor(Math.Log10(value) + Tiny));
        return decade * digits.Last(digit => digit * decade <= value * (1 + Tiny));
    }

    private static double RoundAbove(double value, double[] digits)
    {
        var decade = Math.Pow(10, Math.Floor(Math.Log10(value) + Tiny));
        return decade * digits.First(digit => digit * decade >= value * (1 - Tiny));
    }
}
