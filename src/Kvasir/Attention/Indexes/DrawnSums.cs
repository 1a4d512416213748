using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// What a few rows that were drawn by chance say of the sums over all rows, the softmax denominator and numerator of every query head, and how far those sums
/// would be off if more rows were drawn. A drawn row with weight w and chance p stands for w / p of a sum, and with chances f p for w^2 (1 / f p - 1) / p of
/// the variance of its estimate (Horvitz and Thompson, independent draws). Values are summed again with the roots of that as weights and random signs, in a few
/// batches: the squares of such sums are the variance of the numerator, and how alike their directions are tells in how many dimensions it lies.
/// </summary>
/// <param name="guarantee">What errors are allowed.</param>
internal sealed class DrawnSums(SamplingGuarantee guarantee, HeadPlace place)
{
    private const int Batches = 8;
    private readonly float[] _max = new float[place.GroupHeads];
    private readonly float[] _mass = new float[place.GroupHeads];
    private readonly float[] _output = new float[place.GroupHeads * place.ValueDim];

    // [batches, group, dim]
    private readonly float[] _signed = new float[Batches * place.GroupHeads * place.ValueDim];
    private readonly Moments[] _moments = new Moments[place.GroupHeads];
    private readonly Spread[] _spreads = new Spread[place.GroupHeads];

    /// <summary>As how many rows of equal weight the last excess rests on.</summary>
    public double Rows { get; private set; }

    /// <summary>Weighs the rows that were drawn: what follows is of them.</summary>
    /// <param name="rows">In ascending order, at most a quarter of those that could be drawn.</param>
    /// <param name="exact">The softmax over other rows, that are read anyway.</param>
    public void Begin(in HeadQuery query, RowChances chances, ReadOnlySpan<int> rows, in SoftmaxView exact)
    {
        var count = rows.Length;
        var shares = chances.Upper(3 * count);
        var inverse = shares[(2 * count)..];
        chances.LogWeights(new RowSet(rows), inverse);
        Exponential.Apply(inverse);
        // Of positions, as far as nothing was dropped among these rows.
        var dropped = query.EndPosition - query.EndRow;
        for (var i = 0; i < count; i++)
            (shares[i], shares[count + i]) = (1 / inverse[i], (CounterNoise.Word((ulong)query.EndPosition, (ulong)(rows[i] + dropped)) & 1) == 0 ? 1 : -1);
        var weights = Weights(chances, count);
        query.Head.Score(query.Queries, new RowSet(rows), weights, count);
        for (var head = 0; head < place.GroupHeads; head++)
        {
            var own = weights.Slice(head * count, count);
            var max = MathF.Max(exact.Max[head], VectorMath.Max(own));
            Softmax.Exponentials(own, max);
            VectorMath.Multiply(inverse, own);
            (_max[head], _mass[head]) = (max, VectorMath.Sum(own));
            _moments[head] = new Moments(max, _mass[head]);
        }

        Array.Clear(_output);
        AttentionValues.Rows(weights, count, query.Head.Values, new RowSet(rows), _output);
    }

    /// <summary>The sums that the rows stand for, with the chances by which they were drawn.</summary>
    public SoftmaxSum Estimate => new(_max, _mass, _output);

    /// <summary>
    /// How many times the greatest squared error that is guaranteed to be rare is what it may be, over heads and both sums; at most 1 is good.
    /// </summary>
    /// <param name="factor">How many times as large chances would be: at least 1.</param>
    /// <param name="measures">Whether values are summed anew; otherwise those whose weights scatter are taken to be as they were at the factor before.</param>
    public double Excess(in HeadQuery query, RowChances chances, ReadOnlySpan<int> rows, double factor, in SoftmaxView exact, bool measures)
    {
        var count = rows.Length;
        var shares = chances.Upper(3 * count);
        var roots = shares[(2 * count)..];
        DrawnWeights.SignedRoots((float)(1 / factor), shares[..count], shares[count..(2 * count)], roots);
        var weights = Weights(chances, count);
        var signed = Signed(chances, count);
        for (var head = 0; head < place.GroupHeads; head++)
            Scatter(ref _moments[head], weights.Slice(head * count, count), signed.Slice(head * count, count), shares, roots);
        if (measures)
            MeasureSpreads(query, rows, signed);
        var excess = 0.0;
        for (var head = 0; head < place.GroupHeads; head++)
        {
            var others = excess;
            var scale = MathF.Exp(exact.Max[head] - _moments[head].Max);
            excess = Larger(excess, OfMass(_moments[head], scale * exact.Mass[head]));
            excess = Larger(excess, OfOutput(head, _moments[head], scale, exact.Output.Slice(head * place.ValueDim, place.ValueDim)));
            if (excess > others)
                Rows = _moments[head].Rows;
        }

        return excess;
    }

    /// <summary>About how many rows would be drawn.</summary>
    /// <param name="count">Of the rows that were.</param>
    public static double ExpectedRows(RowChances chances, int count, double factor)
    {
        var sum = 0f;
        foreach (var share in chances.Upper(3 * count)[..count])
            sum += MathF.Min((float)factor, 1 / share);
        return sum;
    }

    // NaN, which comes of infinite or missing numbers, is larger than anything.
    private static double Larger(double a, double b) => double.IsNaN(b) ? double.PositiveInfinity : Math.Max(a, b);

    private static void Scatter(ref Moments moments, ReadOnlySpan<float> weights, Span<float> signed, ReadOnlySpan<float> shares, ReadOnlySpan<float> roots)
    {
        var (variance, fourths, drawn) = DrawnWeights.Scatter(weights, shares[..weights.Length], roots, signed);
        moments = moments with { Variance = variance, Drawn = drawn, Rows = fourths > 0 ? variance * variance / fourths : 1 };
    }

    private void MeasureSpreads(in HeadQuery query, ReadOnlySpan<int> rows, ReadOnlySpan<float> signed)
    {
        var count = rows.Length;
        Array.Clear(_signed);
        for (var batch = 0; batch < Batches; batch++)
        {
            var (first, end) = (batch * count / Batches, (batch + 1) * count / Batches);
            AttentionValues.Rows(
                signed[first..], count, query.Head.Values, new RowSet(rows[first..end]), _signed.AsSpan(batch * _output.Length, _output.Length));
        }

        for (var head = 0; head < place.GroupHeads; head++)
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

            _spreads[head] = variance > 0
                ? new Spread(variance / _moments[head].Variance, 2 * products * Batches / (Batches - 1) / (variance * variance))
                : default;
        }
    }

    private double OfMass(in Moments moments, double exactMass) =>
        Ratio(moments.Variance, guarantee.Factor(1, 2 * moments.Rows), moments.Mass + exactMass);

    private double OfOutput(int head, in Moments moments, float scale, ReadOnlySpan<float> exact)
    {
        var spread = _spreads[head];
        if (spread.Square == 0)
            return 0;
        var dimensions = Math.Clamp(1 / (spread.Alike + 1 / moments.Rows), 1, place.ValueDim);
        var squares = 0.0;
        for (var i = 0; i < exact.Length; i++)
        {
            var x = (double)_output[head * place.ValueDim + i] + scale * exact[i];
            squares += x * x;
        }

        // The error of the estimate, which rests on the rows as they were drawn, makes it longer than the truth.
        var total = Math.Sqrt(Math.Max(0, squares - spread.Square * moments.Drawn));
        var freedom = 1 / (1 / (Batches * dimensions) + 1 / (2 * moments.Rows));
        return Ratio(spread.Square * moments.Variance, guarantee.Factor(dimensions, freedom), total);
    }

    private double Ratio(double variance, double factor, double total)
    {
        var allowed = guarantee.Epsilon * total;
        return variance == 0 ? 0 : factor * variance / (allowed * allowed);
    }

    // [group, count]: of the rows, over their chances; and times signed roots.
    private Span<float> Weights(RowChances chances, int count) => chances.Lower(2 * place.GroupHeads * count)[..(place.GroupHeads * count)];

    private Span<float> Signed(RowChances chances, int count) => chances.Lower(2 * place.GroupHeads * count)[(place.GroupHeads * count)..];

    private Span<float> Signed(int batch, int head) => _signed.AsSpan((batch * place.GroupHeads + head) * place.ValueDim, place.ValueDim);

    /// <param name="Max">Of the scores: weights are e^(score - max).</param>
    /// <param name="Mass">Estimate of the sum of weights.</param>
    /// <param name="Drawn">Variance of that estimate.</param>
    /// <param name="Variance">Of the estimate that more rows would give.</param>
    /// <param name="Rows">As how many rows of equal weight the variance rests on.</param>
    private readonly record struct Moments(float Max, double Mass, double Drawn = 0, double Variance = 0, double Rows = 1);

    /// <summary>How the error of the numerator lies.</summary>
    /// <param name="Square">Its variance over that of the denominator: the mean square of values.</param>
    /// <param name="Alike">
    /// tr(C^2) / tr(C)^2 of its covariance, which is 1 in one dimension, from pairs of batches: without what rows share with themselves.
    /// </param>
    private readonly record struct Spread(double Square, double Alike);
}
