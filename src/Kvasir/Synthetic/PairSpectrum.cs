using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Synthetic;

/// <summary>
/// How queries and keys of trained models are spread over the elements of a head: a few pairs of RoPE, the slow ones first, carry most. What random weights and
/// rows are multiplied with so that they are not noise alike in all directions, which no index can search.
/// </summary>
internal static class PairSpectrum
{
    private const double Decay = 0.5;

    /// <summary>
    /// Factors of mean square 1: those of the pairs that rotate fall by the square root of their rank, elements that do not rotate have the last one's.
    /// </summary>
    /// <param name="dim">Elements of a head.</param>
    public static float[] Factors(RopeConfig rope, int dim)
    {
        var (factors, squares) = (new float[dim], 0.0);
        for (var i = 0; i < dim; i++)
        {
            var pair = rope.Order == RopeOrder.Interleaved ? i / 2 : i % (rope.Dim / 2);
            var rank = i < rope.Dim ? (rope.Dim / 2) - pair : rope.Dim / 2;
            factors[i] = (float)Math.Pow(rank, -Decay);
            squares += factors[i] * (double)factors[i] / dim;
        }

        VectorMath.Scale(factors, (float)(1 / Math.Sqrt(squares)));
        return factors;
    }

    /// <summary>The standard deviation of keys that gives scores theirs, where keys and queries are spread by the factors.</summary>
    public static float KeyDeviation(float[] factors, double scores, double queries)
    {
        var fourth = 0.0;
        foreach (var factor in factors)
            fourth += Math.Pow(factor, 4);
        return (float)(scores / (queries * Math.Sqrt(fourth / factors.Length)));
    }
}
