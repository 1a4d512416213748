namespace Kvasir.Evaluation.Results;

/// <summary>Student's t distribution, for intervals from few samples.</summary>
internal static class StudentT
{
    /// <summary>The t that |T| stays below with a probability.</summary>
    /// <param name="probability">Above 0 and below 1.</param>
    /// <param name="freedom">Degrees, at least 1.</param>
    public static double Quantile(double probability, int freedom)
    {
        // t = sqrt(freedom) tan(angle), and the probability grows with the angle.
        var (low, high) = (0.0, Math.PI / 2);
        for (var i = 0; i < 80; i++)
        {
            var middle = (low + high) / 2;
            (low, high) = Within(middle, freedom) < probability ? (middle, high) : (low, middle);
        }

        return Math.Sqrt(freedom) * Math.Tan(low);
    }

    // Abramowitz and Stegun 26.7.3 and 26.7.4: a finite sum for whole degrees of freedom.
    private static double Within(double angle, int freedom)
    {
        var (sine, square) = (Math.Sin(angle), Math.Cos(angle) * Math.Cos(angle));
        var isOdd = freedom % 2 == 1;
        var (term, sum) = (isOdd ? Math.Cos(angle) : 1.0, 0.0);
        for (var i = isOdd ? 1 : 0; i <= freedom - 2; i += 2)
        {
            sum += term;
            term *= square * (i + 1) / (i + 2);
        }

        return isOdd ? 2 / Math.PI * (angle + (sine * sum)) : sine * sum;
    }
}
