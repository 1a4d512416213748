using Kvasir.Kernels.Hashing;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// How likely a key is to share a bucket with a query in at least two of L tables of K bits, by the cosine between them (MagicPIG, arXiv 2410.16179, section
/// 4). Over the draw of the planes; a bit is shared with probability p = 1 - angle / pi, a bucket with x = p^K.
/// </summary>
internal sealed class CollisionLaw
{
    private const int Steps = 2048;
    private const double Least = 1e-30;
    private readonly int _bits;
    private readonly int _tables;

    // The weight at Steps + 1 cosines from -1 to 1, and the last once more.
    private readonly float[] _weights = new float[Steps + 2];

    /// <param name="floor">Added to the probability before its logarithm is taken: 1e-4 in the reference code, 0 for unbiased sums.</param>
    public CollisionLaw(int bits, int tables, double floor)
    {
        (_bits, _tables) = (bits, tables);
        for (var i = 0; i < _weights.Length; i++)
            _weights[i] = (float)-Math.Log(Math.Max(Least, Inclusion(Math.Min(1, -1 + 2.0 * i / Steps)) + floor));
    }

    /// <summary>
    /// Minus the logarithm of the probability (and the floor), what to add to the score of a key that was found: a table for <see cref="CosineWeights"/>.
    /// </summary>
    public ReadOnlySpan<float> Weights => _weights;

    /// <summary>The probability of at least two common buckets, accurate to 1e-9 of itself or better.</summary>
    /// <param name="cosine">-1 to 1.</param>
    public double Inclusion(double cosine)
    {
        var x = Math.Pow(1 - Math.Acos(cosine) / Math.PI, _bits);
        if (x >= 1)
            return _tables >= 2 ? 1 : 0;
        if (_tables * x >= 0.05)
            return -Expm1((_tables - 1) * Log1p(-x) + Log1p((_tables - 1) * x));
        // C(L, 2) x^2 times a series whose terms shrink by Lx each.
        var (sum, binomial, power) = (0.0, 1.0, 1.0);
        for (var k = 0; k < 12; k++)
        {
            sum += 2.0 / (k + 2) * binomial * power;
            binomial *= (_tables - 2.0 - k) / (k + 1);
            power *= -x;
        }

        return _tables * (_tables - 1.0) / 2 * x * x * sum;
    }

    private static double Log1p(double x) => Math.Abs(x) < 1e-4 ? x - x * x / 2 + x * x * x / 3 - x * x * x * x / 4 : Math.Log(1 + x);

    private static double Expm1(double x) => Math.Abs(x) < 1e-4 ? x + x * x / 2 + x * x * x / 6 + x * x * x * x / 24 : Math.Exp(x) - 1;
}
