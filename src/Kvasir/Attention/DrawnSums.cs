using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Attention;

/// <summary>
/// What rows that were drawn by chance say of the sums over all rows: the softmax denominator and numerator of every query head, and how far they may be off.
/// A row with weight w and chance p adds w / p to a sum and w^2 (1 - p) / p^2 to the estimate of its variance (Horvitz and Thompson, independent draws). Values
/// are summed again with these roots as weights and random signs, in a few batches: the squares of such sums are the variance of the numerator, and how alike
/// their directions are tells in how many dimensions it lies.
/// </summary>
/// <param name="guarantee">What errors are allowed.</param>
internal sealed class DrawnSums(SamplingGuarantee guarantee, HeadPlace place)
{
    private const int Batches = 8;
    private readonly float[] _output = new float[place.GroupHeads * place.Dim];

    // [batches, group, dim]
    private readonly float[] _signed = new float[Batches * place.GroupHeads * place.Dim];

    /// <summary>How many times the greatest squared error that is guaranteed to be rare is what it may be, over heads and both sums; at most 1 is good.</summary>
    /// <param name="rows">In ascending order, at most a quarter of those that could be drawn.</param>
    /// <param name="exact">The softmax over other rows, that are read anyway.</param>
    public double Excess(in HeadQuery query, RowChances chances, ReadOnlySpan<int> rows, ulong seed, in SoftmaxSum exact)
    {
        var (count, group) = (rows.Length, place.GroupHeads);
        var inverse = chances.Upper(2 * count);
        var roots = inverse[count..];
        for (var i = 0; i < count; i++)
        {
            var log = chances.LogWeight(rows[i]);
            inverse[i] = MathF.Exp(log);
            var root = MathF.Sqrt(1 - MathF.Exp(-log));
            roots[i] = (CounterNoise.Word(seed, (ulong)rows[i]) & 1) == 0 ? root : -root;
        }

        var weights = chances.Lower(2 * group * count);
        var signed = weights[(group * count)..];
        AttentionScores.Rows(query.Queries, query.Head.Keys, new RowSet(rows), 1, weights, count);
        Span<Moments> moments = stackalloc Moments[group];
        for (var head = 0; head < group; head++)
            moments[head] = Weigh(weights.Slice(head * count, count), signed.Slice(head * count, count), inverse, roots, exact.Max[head]);
        Array.Clear(_output);
        Array.Clear(_signed);
        AttentionValues.Rows(weights, count, query.Head.Values, new RowSet(rows), _output);
        for (var batch = 0; batch < Batches; batch++)
        {
            var (first, end) = (batch * count / Batches, (batch + 1) * count / Batches);
            AttentionValues.Rows(
                signed[first..], count, query.Head.Values, new RowSet(rows[first..end]), _signed.AsSpan(batch * _output.Length, _output.Length));
        }

        var excess = 0.0;
        for (var head = 0; head < group; head++)
        {
            var scale = MathF.Exp(exact.Max[head] - moments[head].Max);
            excess = Larger(excess, OfMass(moments[head], scale * exact.Mass[head]));
            excess = Larger(excess, OfOutput(head, moments[head], scale, exact.Output.Slice(head * place.Dim, place.Dim)));
        }

        return excess;
    }

    // NaN, which comes of infinite or missing numbers, is larger than anything.
    private static double Larger(double a, double b) => double.IsNaN(b) ? double.PositiveInfinity : Math.Max(a, b);

    private static Moments Weigh(Span<float> weights, Span<float> signed, ReadOnlySpan<float> inverse, ReadOnlySpan<float> roots, float least)
    {
        var max = MathF.Max(least, VectorMath.Max(weights));
        Softmax.Exponentials(weights, max);
        var (mass, variance, squares) = (0.0, 0.0, 0.0);
        for (var i = 0; i < weights.Length; i++)
        {
            var x = weights[i] * inverse[i];
            var y = x * roots[i];
            (weights[i], signed[i]) = (x, y);
            var square = (double)y * y;
            (mass, variance, squares) = (mass + x, variance + square, squares + square * square);
        }

        return new Moments(max, mass, variance, squares > 0 ? variance * variance / squares : 1);
    }

    private double OfMass(in Moments moments, double exactMass) =>
        Ratio(moments.Variance, guarantee.Factor(1, 2 * moments.Rows), moments.Mass + exactMass);

    private double OfOutput(int head, in Moments moments, float scale, ReadOnlySpan<float> exact)
    {
        var (variance, products) = (0.0, 0.0);
        for (var batch = 0; batch < Batches; batch++)
        {
            variance += VectorMath.Dot(Signed(batch, head), Signed(batch, head));
            for (var other = 0; other < batch; other++)
            {
                var product = (double)VectorMath.Dot(Signed(batch, head), Signed(other, head));
                products += product * product;
            }
        }

        if (variance == 0)
            return 0;
        // tr(C^2) / tr(C)^2, which is 1 in one dimension: from pairs of batches, and from rows with themselves.
        var share = 2 * products * Batches / (Batches - 1) / (variance * variance) + 1 / moments.Rows;
        var dimensions = Math.Clamp(1 / share, 1, place.Dim);
        var squares = 0.0;
        for (var i = 0; i < exact.Length; i++)
        {
            var x = (double)_output[head * place.Dim + i] + scale * exact[i];
            squares += x * x;
        }

        // The error of the estimate makes it longer than the truth.
        var total = Math.Sqrt(Math.Max(0, squares - variance));
        var freedom = 1 / (1 / (Batches * dimensions) + 1 / (2 * moments.Rows));
        return Ratio(variance, guarantee.Factor(dimensions, freedom), total);
    }

    private double Ratio(double variance, double factor, double total)
    {
        var allowed = guarantee.Epsilon * total;
        return variance == 0 ? 0 : factor * variance / (allowed * allowed);
    }

    private Span<float> Signed(int batch, int head) => _signed.AsSpan((batch * place.GroupHeads + head) * place.Dim, place.Dim);

    /// <param name="Max">Of the scores: weights are e^(score - max).</param>
    /// <param name="Mass">Estimate of the sum of weights.</param>
    /// <param name="Variance">Of that estimate.</param>
    /// <param name="Rows">As how many rows of equal weight the variance rests on.</param>
    private readonly record struct Moments(float Max, double Mass, double Variance, double Rows);
}
