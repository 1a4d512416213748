using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Synthetic;

namespace Kvasir.Test.Models;

/// <summary>Values in fewer elements: what the decomposed matrices do, against the best approximation in double precision; and what is saved.</summary>
public sealed class LowRankValuesTest(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1, 48, 20)]
    [InlineData(3, 64, 64)]
    [InlineData(3, 64, 1)]
    [InlineData(7, 32, 31)]
    [InlineData(1, 80, 45)]
    public void BothMatricesTogetherAreTheBestOfTheirRank(int group, int dim, int rank)
    {
        const int KvHeads = 2;
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var (random, width) = (new Random(seed), dim + 24);
        using var value = new Floats(random, KvHeads * dim, width);
        using var outputs = new Floats(random, width, KvHeads * group * dim);
        var (valueBias, outputBias) = (TestHead.Normal(random, KvHeads * dim), TestHead.Normal(random, width));
        using var lowRank = new LowRankValues(dim, rank);
        var made = lowRank.Of(value.Matrix, outputs.Matrix, valueBias, outputBias);
        Assert.Equal((KvHeads * rank, width), (made.Value.Rows, made.Value.Columns));
        Assert.Equal((width, KvHeads * group * rank), (made.Output.Rows, made.Output.Columns));
        Assert.Equal(lowRank.Bytes, made.Value.Bytes + made.Output.Bytes);
        var (narrow, turned) = (Decoded(made.Value), Decoded(made.Output));
        for (var head = 0; head < KvHeads; head++)
        {
            var best = BestOfRank(value.Values[(head * dim)..((head + 1) * dim)], rank);
            for (var query = head * group; query < (head + 1) * group; query++)
            {
                // Of an output and an input: what the pair of matrices does by way of this head.
                var (row, column) = (random.Next(width), random.Next(width));
                var expected = Enumerable.Range(0, dim).Sum(i => (double)outputs.Values[row][query * dim + i] * best[i][column]);
                var actual = Enumerable.Range(0, rank).Sum(i => (double)turned[row][query * rank + i] * narrow[head * rank + i][column]);
                Assert.Equal(expected, actual, 1e-3 * Math.Sqrt(dim));
            }
        }

        for (var row = 0; row < width; row++)
        {
            var whole = outputBias[row] + Enumerable.Range(0, KvHeads * group * dim).Sum(i => (double)outputs.Values[row][i] * valueBias[i / dim / group * dim + i % dim]);
            Assert.Equal(whole, made.OutputBias![row], 1e-3 * Math.Sqrt(KvHeads * group * dim));
        }
    }

    [Fact]
    public void AHeadsRankIsNothingElseAndMoreIsRefused()
    {
        using var plain = Model.Synthetic("tiny", SyntheticWeights.BF16, options: TestModels.AsStored);
        var dim = plain.Config.HeadDim;
        using var whole = Model.Synthetic("tiny", SyntheticWeights.BF16, options: TestModels.AsStored with { KvRank = dim });
        Assert.Equal(plain.Weights.Fingerprint, whole.Weights.Fingerprint);
        Assert.Equal(Answer(plain).Tokens, Answer(whole).Tokens);
        Assert.Equal(Answer(plain).Logprobs, Answer(whole).Logprobs);
        var refusal = Assert.Throws<KvasirException>(() => Model.Synthetic("tiny", options: new ModelOptions { KvRank = dim + 1 }));
        Assert.Equal($"values of rank {dim + 1} are out of range: 1 to {dim}, which the model's heads have", refusal.Message);
    }

    [Fact]
    public void TheCacheIsAsMuchSmallerAsValuesAreNarrower()
    {
        // Rows take blocks of 32 elements; of int8 each has some bytes beside them.
        using var plain = Model.Synthetic("tiny", SyntheticWeights.BF16, options: TestModels.AsStored);
        var dim = plain.Config.HeadDim;
        Assert.Equal(0, dim % 64);
        using var low = Model.Synthetic("tiny", SyntheticWeights.BF16, options: TestModels.AsStored with { KvRank = dim / 2 });
        Assert.NotEqual(plain.Weights.Fingerprint, low.Weights.Fingerprint);
        foreach (var kv in (Kv[])["bf16", "q8", "int8"])
        {
            using var before = new Engine(plain, new EngineOptions { Threads = 1, Kv = kv, KvMemoryBytes = 16 << 20 });
            using var after = new Engine(low, new EngineOptions { Threads = 1, Kv = kv, KvMemoryBytes = 16 << 20 });
            Assert.InRange((double)after.Plan.KvBytesPerToken / before.Plan.KvBytesPerToken, 0.74, 0.81);
        }

        Assert.All(Answer(low).Logprobs, logprob => Assert.True(float.IsFinite(logprob)));
    }

    [Fact]
    public void AnEighthLessOfValuesChangesLittle()
    {
        using var model = Generation.LoadStories();
        using var low = Model.Load("stories260K", TestModels.AsStored with { KvRank = 7 });
        var prompt = Enumerable.Range(0, 60).Select(static i => 5 + i % 90).ToArray();
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20 };
        var (dense, less) = (Generation.Run(model, options, prompt, Generation.Greedy(20)), Generation.Run(low, options, prompt, Generation.Greedy(20)));
        Assert.InRange(Math.Abs(dense.Logprobs[0] - less.Logprobs[0]), 1e-7, 1);
    }

    private static (int[] Tokens, float[] Logprobs) Answer(Model model)
    {
        int[] prompt = [.. Enumerable.Range(0, 70).Select(static i => 3 + i * 7 % 200)];
        var answer = Generation.Run(model, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20 }, prompt, Generation.Greedy(8));
        return (answer.Tokens, answer.Logprobs);
    }

    private static float[][] Decoded(WeightMatrix matrix)
    {
        var rows = new float[matrix.Rows][];
        for (var row = 0; row < rows.Length; row++)
            WeightRow.Decode(matrix.Type, matrix.Row(row), rows[row] = new float[matrix.Columns]);
        return rows;
    }

    // By turning pairs of rows until all are at right angles (one-sided Jacobi): they are then singular vectors times their lengths.
    private static double[][] BestOfRank(float[][] matrix, int rank)
    {
        double[][] rows = [.. matrix.Select(static row => row.Select(static x => (double)x).ToArray())];
        double[][] turns = [.. Enumerable.Range(0, rows.Length).Select(i => Enumerable.Range(0, rows.Length).Select(j => i == j ? 1.0 : 0).ToArray())];
        for (var sweep = 0; sweep < 12; sweep++)
        {
            for (var p = 0; p < rows.Length; p++)
            {
                for (var q = p + 1; q < rows.Length; q++)
                    Turn(rows, turns, p, q);
            }
        }

        int[] order = [.. Enumerable.Range(0, rows.Length).OrderByDescending(i => Dot(rows[i], rows[i])).Take(rank)];
        return [.. Enumerable.Range(0, rows.Length).Select(i => Enumerable.Range(0, matrix[0].Length).Select(column => order.Sum(of => turns[of][i] * rows[of][column])).ToArray())];
    }

    private static void Turn(double[][] rows, double[][] turns, int p, int q)
    {
        var product = Dot(rows[p], rows[q]);
        if (Math.Abs(product) < 1e-14)
            return;
        var tau = (Dot(rows[q], rows[q]) - Dot(rows[p], rows[p])) / (2 * product);
        var tangent = (tau >= 0 ? 1 : -1) / (Math.Abs(tau) + Math.Sqrt(1 + tau * tau));
        var cosine = 1 / Math.Sqrt(1 + tangent * tangent);
        foreach (var both in (double[][][])[rows, turns])
        {
            for (var i = 0; i < both[p].Length; i++)
                (both[p][i], both[q][i]) = (cosine * both[p][i] - tangent * cosine * both[q][i], tangent * cosine * both[p][i] + cosine * both[q][i]);
        }
    }

    private static double Dot(double[] x, double[] y) => x.Zip(y, static (a, b) => a * b).Sum();

    /// <summary>A matrix of random floats, and the same as rows.</summary>
    private sealed class Floats : IDisposable
    {
        private readonly NativeBuffer _buffer;

        public Floats(Random random, int rows, int columns)
        {
            _buffer = new NativeBuffer((long)rows * columns * sizeof(float));
            Values = new float[rows][];
            for (var row = 0; row < rows; row++)
            {
                Values[row] = TestHead.Normal(random, columns);
                Values[row].CopyTo(_buffer.View.Span<float>((long)row * columns * sizeof(float), columns));
            }
        }

        public float[][] Values { get; }

        public WeightMatrix Matrix => new(WeightType.F32, Values.Length, Values[0].Length, _buffer.View);

        public void Dispose() => _buffer.Dispose();
    }
}
