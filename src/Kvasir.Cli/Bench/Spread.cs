namespace Kvasir.Cli.Bench;

/// <summary>Repeated measurements of one thing.</summary>
internal readonly record struct Spread(double Least, double Median, double Most)
{
    /// <param name="values">At least one.</param>
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        return new Spread(sorted[0], sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2, sorted[^1]);
    }
}
