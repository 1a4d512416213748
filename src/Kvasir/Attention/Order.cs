namespace Kvasir.Attention;

/// <summary>Which numbers of many are the largest, without sorting them.</summary>
internal static class Order
{
    /// <summary>The <paramref name="count"/>-th largest; the values are put in another order. NaN counts as the smallest.</summary>
    /// <param name="count">1 to the number of values.</param>
    public static float Largest(Span<float> values, int count)
    {
        Invariant.Holds(count >= 1 && count <= values.Length);
        foreach (ref var value in values)
            value = float.IsNaN(value) ? float.NegativeInfinity : value;
        while (true)
        {
            if (values.Length <= 16)
            {
                values.Sort();
                return values[^count];
            }

            // Smaller than the pivot, equal, not looked at yet, larger.
            var pivot = MedianOfThree(values[0], values[values.Length / 2], values[^1]);
            var (low, at, high) = (0, 0, values.Length);
            while (at < high)
            {
                if (values[at] > pivot)
                {
                    high--;
                    (values[at], values[high]) = (values[high], values[at]);
                }
                else
                {
                    if (values[at] < pivot)
                    {
                        (values[at], values[low]) = (values[low], values[at]);
                        low++;
                    }

                    at++;
                }
            }

            var larger = values.Length - high;
            if (count <= larger)
            {
                values = values[high..];
            }
            else if (count <= values.Length - low)
            {
                return pivot;
            }
            else
            {
                count -= values.Length - low;
                values = values[..low];
            }
        }
    }

    /// <summary>The score of the last of the largest values whose exponentials make up <paramref name="share"/> of all.</summary>
    /// <param name="values">Put in ascending order.</param>
    public static float Covering(Span<float> values, float share)
    {
        values.Sort();
        var (all, top) = (0.0, values[^1]);
        foreach (var value in values)
            all += Math.Exp(value - top);
        var sum = 0.0;
        for (var i = values.Length - 1; i > 0; i--)
        {
            sum += Math.Exp(values[i] - top);
            if (sum >= share * all)
                return values[i];
        }

        return values[0];
    }

    private static float MedianOfThree(float a, float b, float c) => MathF.Max(MathF.Min(a, b), MathF.Min(MathF.Max(a, b), c));
}
