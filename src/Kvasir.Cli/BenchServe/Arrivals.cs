namespace Kvasir.Cli.BenchServe;

/// <summary>When requests come: gaps of a gamma distribution, stretched so that all of them take as long as their rate says.</summary>
internal static class Arrivals
{
    /// <summary>Seconds from the start, ascending; all 0 for an infinite rate.</summary>
    /// <param name="count">At least 1.</param>
    /// <param name="rate">Above 0, a second.</param>
    /// <param name="shape">Above 0: 1 is a Poisson process.</param>
    public static double[] Times(int count, double rate, double shape, Random random)
    {
        var times = new double[count];
        if (double.IsPositiveInfinity(rate))
            return times;
        var sum = 0.0;
        for (var i = 0; i < count; i++)
            times[i] = sum += Gamma(shape, random);
        var stretch = sum > 0 ? count / rate / sum : 0;
        for (var i = 0; i < count; i++)
            times[i] *= stretch;
        return times;
    }

    // Marsaglia and Tsang (2000); below 1, a draw of the shape above it and a power of a uniform one.
    private static double Gamma(double shape, Random random)
    {
        if (shape < 1)
            return Gamma(shape + 1, random) * Math.Pow(1 - random.NextDouble(), 1 / shape);
        var d = shape - (1.0 / 3);
        var c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            var normal = Normal(random);
            var v = 1 + (c * normal);
            if (v <= 0)
                continue;
            v = v * v * v;
            if (Math.Log(1 - random.NextDouble()) < (0.5 * normal * normal) + (d * (1 - v + Math.Log(v))))
                return d * v;
        }
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
