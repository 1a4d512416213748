namespace Kvasir.Kernels.Elementwise;

/// <summary>Sums of numbers so large that f32 overflows: a norm divided by infinity would be a row of zeros, which nobody would notice.</summary>
internal static class SumsInDoubles
{
    public static double Sum(ReadOnlySpan<float> x)
    {
        var sum = 0.0;
        foreach (var element in x)
            sum += element;
        return sum;
    }

    /// <summary>Sum of (x[i] - mean)^2.</summary>
    public static double Squares(ReadOnlySpan<float> x, float mean)
    {
        var sum = 0.0;
        foreach (var element in x)
        {
            var distance = (double)element - mean;
            sum += distance * distance;
        }

        return sum;
    }
}
