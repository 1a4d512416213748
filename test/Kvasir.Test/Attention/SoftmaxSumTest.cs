using CsCheck;
using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention;

public sealed class SoftmaxSumTest
{
    private const int Dim = 6;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(40, 3)]
    [InlineData(100, 7)]
    public void EqualsSoftmaxInDoublePrecision(int rowCount, int queryCount)
    {
        using var rows = new Rows(rowCount, seed: rowCount);
        var scores = rows.Scores(queryCount);
        var sum = NewSum(queryCount);
        sum.Add(rows.Head, new RowSet(0, rowCount), (float[])scores.Clone(), rowCount);
        sum.Finish();
        AssertClose(rows.Expected(scores, queryCount, Enumerable.Range(0, rowCount)), sum.Output);
    }

    [Fact]
    public void MergedHalvesEqualOnePass()
    {
        using var rows = new Rows(90, seed: 3);
        var scores = rows.Scores(2);
        var whole = NewSum(2);
        whole.Add(rows.Head, new RowSet(0, 90), (float[])scores.Clone(), 90);
        var left = NewSum(2);
        var right = NewSum(2);
        left.Add(rows.Head, new RowSet(0, 37), [.. scores[..37], .. scores[90..127]], 37);
        right.Add(rows.Head, new RowSet(37, 53), [.. scores[37..90], .. scores[127..]], 53);
        left.Merge(right);
        Assert.Equal(whole.LogSumExp(1), left.LogSumExp(1), 1e-5f);
        left.Finish();
        whole.Finish();
        AssertClose(whole.Output.ToArray().Select(x => (double)x).ToArray(), left.Output);
    }

    [Fact]
    public void PartsMergeInAnyDivisionAndAnyOrder()
    {
        // A third of the rows is left out, so that parts without a row come up; scores differ by more than floats' exponents reach.
        var score = Gen.OneOf(Gen.Float[-60, 60], Gen.Float[-1, 1], Gen.Const(float.NegativeInfinity));
        var row = Gen.Select(score, Gen.Int[0, 3]);
        Gen.Select(row.Array[1, 70], Gen.Shuffle(new[] { 0, 1, 2, 3 })).Sample(static (drawn, order) =>
        {
            using var rows = new Rows(drawn.Length, seed: drawn.Length);
            var merged = NewSum(1);
            foreach (var part in order)
                merged.Merge(SumOf(rows, drawn, part));
            var left = SumOf(rows, drawn, 0);
            var right = SumOf(rows, drawn, 2);
            left.Merge(SumOf(rows, drawn, 1));
            right.Merge(SumOf(rows, drawn, 3));
            left.Merge(right);
            merged.Finish();
            left.Finish();
            float[] scores = [.. drawn.Select(static one => one.Item1)];
            var seen = Enumerable.Range(0, drawn.Length).Where(i => !float.IsNegativeInfinity(scores[i])).ToArray();
            var expected = seen.Length == 0 ? new double[Dim] : rows.Expected(scores, 1, seen);
            AssertClose(expected, merged.Output);
            AssertClose(expected, left.Output);
        }, iter: 500);
    }

    [Fact]
    public void MergingWithNothingChangesNothing()
    {
        using var rows = new Rows(5, seed: 4);
        var scores = rows.Scores(1);
        var sum = NewSum(1);
        sum.Add(rows.Head, new RowSet(0, 5), (float[])scores.Clone(), 5);
        var before = sum.Output.ToArray();
        sum.Merge(NewSum(1));
        Assert.Equal(before, sum.Output.ToArray());
        var empty = NewSum(1);
        empty.Merge(sum);
        Assert.Equal(before, empty.Output.ToArray());
    }

    [Fact]
    public void ListedRowsEqualTheSameRange()
    {
        using var rows = new Rows(70, seed: 5);
        var scores = rows.Scores(3);
        int[] list = [.. Enumerable.Range(0, 70).Reverse()];
        var reversed = new float[scores.Length];
        for (var q = 0; q < 3; q++)
        {
            for (var i = 0; i < 70; i++)
                reversed[(q * 70) + i] = scores[(q * 70) + list[i]];
        }

        var sum = NewSum(3);
        sum.Add(rows.Head, new RowSet(list), reversed, 70);
        sum.Finish();
        AssertClose(rows.Expected(scores, 3, Enumerable.Range(0, 70)), sum.Output);
    }

    [Fact]
    public void ARowAtNegativeInfinityIsLeftOut()
    {
        using var rows = new Rows(10, seed: 6);
        var scores = rows.Scores(1);
        var masked = (float[])scores.Clone();
        masked[3] = masked[9] = float.NegativeInfinity;
        var sum = NewSum(1);
        sum.Add(rows.Head, new RowSet(0, 10), masked, 10);
        sum.Finish();
        AssertClose(rows.Expected(scores, 1, [0, 1, 2, 4, 5, 6, 7, 8]), sum.Output);
    }

    [Fact]
    public void NoRowsGiveZerosAndNeverNaN()
    {
        using var rows = new Rows(4, seed: 7);
        var sum = NewSum(2);
        float[] masked = [.. Enumerable.Repeat(float.NegativeInfinity, 8)];
        sum.Add(rows.Head, new RowSet(0, 4), masked, 4);
        sum.Finish();
        Assert.All(sum.Output.ToArray(), x => Assert.Equal(0, x));
        // Rows that come after a round of nothing count as if it had not been.
        var scores = rows.Scores(2);
        sum.Add(rows.Head, new RowSet(0, 4), (float[])scores.Clone(), 4);
        sum.Finish();
        AssertClose(rows.Expected(scores, 2, [0, 1, 2, 3]), sum.Output);
    }

    [Fact]
    public void LogWeightsUndoSampling()
    {
        // Half of the rows, each with probability 1/2 and so with log-weight ln 2, estimate the whole mass.
        using var rows = new Rows(20, seed: 8);
        float[] flat = new float[20];
        float[] sampled = [.. Enumerable.Repeat(MathF.Log(2), 10)];
        var whole = NewSum(1);
        var half = NewSum(1);
        whole.Add(rows.Head, new RowSet(0, 20), flat, 20);
        half.Add(rows.Head, new RowSet(0, 10), sampled, 10);
        Assert.Equal(whole.LogSumExp(0), half.LogSumExp(0), 1e-5f);
    }

    // A sink is a row of zeros whose score is as it is. It is in the finished sum alone, whatever was merged into it, and what policies measure is of the rows.
    [Fact]
    public void ASinkIsARowOfZerosThatTheMassOfRowsDoesNotShow()
    {
        using var rows = new Rows(50, seed: 9);
        var scores = rows.Scores(4);
        float[] sinks = [9, 11.5f];
        var merged = new SoftmaxSum(new float[4], new float[4], new float[4 * Dim], sinks);
        merged.Reset();
        var right = NewSum(4);
        merged.Add(rows.Head, new RowSet(0, 20), [.. Enumerable.Range(0, 4).SelectMany(query => scores[(query * 50)..((query * 50) + 20)])], 20);
        right.Add(rows.Head, new RowSet(20, 30), [.. Enumerable.Range(0, 4).SelectMany(query => scores[((query * 50) + 20)..((query + 1) * 50)])], 30);
        merged.Merge(right);
        var (log, whole) = (merged.LogSumExp(3), rows.Expected(scores, 4, Enumerable.Range(0, 50)));
        merged.Finish();
        Assert.Equal(log, merged.LogSumExp(3));
        var shares = Enumerable.Range(0, 4).Select(query =>
        {
            var mass = scores.AsSpan(query * 50, 50).ToArray().Sum(score => Math.Exp(score));
            return mass / (mass + Math.Exp(sinks[query % 2]));
        }).ToArray();
        AssertClose([.. whole.Select((value, i) => value * shares[i / Dim])], merged.Output);
        Assert.All(shares, share => Assert.InRange(share, 0, 0.9999));
        var nothing = new SoftmaxSum(new float[2], new float[2], new float[2 * Dim], sinks);
        nothing.Reset();
        nothing.Finish();
        Assert.False(nothing.Output.ContainsAnyExcept(0f));
    }

    private static SoftmaxSum SumOf(Rows rows, (float Score, int Part)[] drawn, int part)
    {
        var sum = NewSum(1);
        int[] list = [.. Enumerable.Range(0, drawn.Length).Where(i => drawn[i].Part == part)];
        if (list.Length > 0)
            sum.Add(rows.Head, new RowSet(list), [.. list.Select(i => drawn[i].Score)], list.Length);
        return sum;
    }

    private static SoftmaxSum NewSum(int count)
    {
        var sum = new SoftmaxSum(new float[count], new float[count], new float[count * Dim]);
        sum.Reset();
        return sum;
    }

    private static void AssertClose(double[] expected, ReadOnlySpan<float> actual)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) < 2e-6, $"at {i}: {expected[i]} and {actual[i]}");
    }

    private sealed class Rows : IDisposable
    {
        private readonly KvCache _cache = new(KvFormat.F32, 1, 1, Dim, 1 << 20);
        private readonly Random _random;
        private readonly float[][] _values;

        public Rows(int count, int seed)
        {
            _random = new Random(seed);
            _values = new float[count][];
            var sequence = _cache.Open(count);
            Assert.True(sequence.TryReserve(count));
            Head = sequence.Head(0, 0);
            for (var row = 0; row < count; row++)
            {
                _values[row] = [.. Enumerable.Range(0, Dim).Select(_ => (2 * _random.NextSingle()) - 1)];
                Head.Append(new float[Dim], _values[row]);
            }
        }

        public KvHead Head { get; }

        public float[] Scores(int queryCount) => [.. Enumerable.Range(0, queryCount * _values.Length).Select(_ => 20 * (_random.NextSingle() - 0.5f))];

        public double[] Expected(float[] scores, int queryCount, IEnumerable<int> rows)
        {
            var output = new double[queryCount * Dim];
            for (var q = 0; q < queryCount; q++)
            {
                var weights = rows.Select(row => (row, w: Math.Exp(scores[(q * _values.Length) + row]))).ToArray();
                var mass = weights.Sum(x => x.w);
                for (var d = 0; d < Dim; d++)
                    output[(q * Dim) + d] = weights.Sum(x => x.w * _values[x.row][d]) / mass;
            }

            return output;
        }

        public void Dispose() => _cache.Dispose();
    }
}
