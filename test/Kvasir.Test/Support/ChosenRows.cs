using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Support;

/// <summary>A head with random rows and queries, and attention over rows that a rule of a test chose for each query head, in double precision.</summary>
internal sealed class ChosenRows : IDisposable
{
    private readonly HeadPlace _place;
    private readonly TestHead _head;
    private readonly float[] _queries;

    public ChosenRows(HeadPlace place, int rowCount, int seed)
    {
        _place = place;
        var random = new Random(seed);
        _head = new TestHead(place, KvFormat.F32, 64 << 20);
        Assert.True(_head.Rows.TryReserve(Math.Max(1, rowCount)));
        (Keys, Values) = (new float[rowCount][], new float[rowCount][]);
        for (var row = 0; row < rowCount; row++)
        {
            (Keys[row], Values[row]) = (TestHead.Normal(random, place.Dim), TestHead.Normal(random, place.Dim));
            _head.Rows.Append(Keys[row], Values[row]);
        }

        _queries = TestHead.Normal(random, place.GroupHeads * place.Dim);
        for (var i = 0; i < _queries.Length; i++)
            _queries[i] /= MathF.Sqrt(place.Dim);
    }

    public float[][] Keys { get; }

    public float[][] Values { get; }

    public KvHead Head => _head.Rows;

    /// <summary>[group, dim]: the outputs for what <paramref name="selector"/> selects.</summary>
    public float[] Attend(Selector selector) => _head.Attend(selector, _queries, Keys.Length).Output.ToArray();

    /// <summary>[group]: the logs of what the rows that <paramref name="selector"/> selects weigh.</summary>
    public double[] LogSums(Selector selector)
    {
        var sum = _head.Attend(selector, _queries, Keys.Length);
        var logs = new double[_place.GroupHeads];
        for (var head = 0; head < logs.Length; head++)
            logs[head] = sum.LogSumExp(head);
        return logs;
    }

    /// <summary>The query of one head of the group, scaled.</summary>
    public float[] Query(int head) => _queries[(head * _place.Dim)..((head + 1) * _place.Dim)];

    /// <summary>Tells a selector of all rows, and ends the prompt with them.</summary>
    public void Index(Selector selector)
    {
        _head.With(selector).Append(0, Keys.Length);
        _head.With(selector).EndPrompt();
        _head.Build(selector);
    }

    /// <summary>Holds what a selector's rows come to against the rows of a rule.</summary>
    /// <param name="rowsOf">The rows of a head of the group.</param>
    public void AssertAttends(Selector selector, Func<int, IEnumerable<int>> rowsOf, double tolerance, string what)
    {
        var actual = _head.Attend(selector, _queries, Keys.Length).Output;
        for (var head = 0; head < _place.GroupHeads; head++)
        {
            var (query, output, mass) = (Query(head), new double[_place.Dim], 0.0);
            foreach (var row in rowsOf(head))
            {
                var weight = Math.Exp(Score(query, Keys[row]));
                mass += weight;
                for (var i = 0; i < output.Length; i++)
                    output[i] += weight * Values[row][i];
            }

            for (var i = 0; i < output.Length; i++)
            {
                var expected = output[i] / mass;
                Assert.True(Math.Abs(expected - actual[head * _place.Dim + i]) <= tolerance, $"{what}, head {head}, element {i}: {actual[head * _place.Dim + i]}, not {expected}");
            }
        }
    }

    public void Dispose() => _head.Dispose();

    public static double Score(float[] query, float[] key)
    {
        var score = 0.0;
        for (var i = 0; i < query.Length; i++)
            score += (double)query[i] * key[i];
        return score;
    }
}
