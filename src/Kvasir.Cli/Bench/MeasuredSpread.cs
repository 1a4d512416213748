namespace Kvasir.Cli.Bench;

/// <summary>Repeated measurements of one thing.</summary>
internal readonly record struct MeasuredSpread(double Least, double Median, double Most)
{
    /// <param name="values">At least one.</param>
    public static MeasuredSpread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        return new MeasuredSpread(sorted[0], sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2, sorted[^1]);
    }
}
