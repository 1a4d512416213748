namespace Kvasir.Cli.BenchServe;

/// <summary>Mean, deviation and percentiles of some times.</summary>
/// <param name="values">In milliseconds.</param>
internal sealed class LoadSpread(IEnumerable<double> values)
{
    private readonly double[] _sorted = [.. values.Order()];

    public int Count => _sorted.Length;

    public double Mean => Count > 0 ? _sorted.Average() : 0;

    public double Median => Percentile(50);

    /// <summary>Of all there are, not of a sample of them.</summary>
    public double Deviation
    {
        get
        {
            var mean = Mean;
            return Count > 0 ? Math.Sqrt(_sorted.Average(value => (value - mean) * (value - mean))) : 0;
        }
    }

    /// <summary>Interpolated linearly between the values on both sides; 0 where there are none.</summary>
    /// <param name="percent">0 to 100.</param>
    public double Percentile(double percent)
    {
        if (Count == 0)
            return 0;
        var place = percent / 100 * (Count - 1);
        var below = (int)Math.Floor(place);
        var above = Math.Min(below + 1, Count - 1);
        return _sorted[below] + ((place - below) * (_sorted[above] - _sorted[below]));
    }
}
