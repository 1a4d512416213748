using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Support;

/// <summary>
/// A head of known structure: keys are a mean and noise whose variance falls from element to element, queries lie on the other side of the mean, and
/// scores have a stated deviation. Answers are known at every position, in double precision.
/// </summary>
internal sealed class SyntheticHead : IDisposable
{
    private readonly TestHead _head;
    private readonly HeadPlace _place;
    private readonly float[] _queries;
    private readonly float[] _keys;
    private readonly float[] _values;
    private double[][]? _answers;

    /// <param name="deviation">Of scores.</param>
    /// <param name="valuesFollowKeys">Values are linear in keys; otherwise they are independent of them.</param>
    /// <param name="decay">The noise of element j of a key has the deviation j^-decay.</param>
    /// <param name="valueMean">Of values that do not follow keys, in deviations of their noise.</param>
    public SyntheticHead(HeadPlace place, double deviation, bool valuesFollowKeys, int seed, double decay = 0.25, float valueMean = 0.5f)
    {
        _place = place;
        var (random, dim, rows) = (new Random(seed), place.Dim, place.MaxRows);
        var scale = new double[dim];
        for (var i = 0; i < dim; i++)
            scale[i] = Math.Pow(i + 1, -decay);
        var length = 1.5 * Math.Sqrt(scale.Sum(static x => x * x) / dim);
        var (mean, shift, matrix) = (TestHead.Normal(random, dim), TestHead.Normal(random, dim), TestHead.Normal(random, dim * dim));
        (_keys, _values, _queries) = (TestHead.Normal(random, rows * dim), TestHead.Normal(random, rows * dim), TestHead.Normal(random, place.GroupHeads * dim));
        for (var i = 0; i < _keys.Length; i++)
            _keys[i] *= (float)scale[i % dim];
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < dim; i++)
            {
                if (valuesFollowKeys)
                    _values[row * dim + i] = (float)Product(matrix.AsSpan(i * dim, dim), _keys.AsSpan(row * dim, dim));
                else
                    _values[row * dim + i] += valueMean * shift[i];
            }
        }

        for (var i = 0; i < _keys.Length; i++)
            _keys[i] += (float)(length * mean[i % dim]);
        for (var head = 0; head < place.GroupHeads; head++)
        {
            for (var i = 0; i < dim; i++)
                _queries[head * dim + i] = (float)(_queries[head * dim + i] * scale[i] - 0.6 * length * mean[i]);
            var scores = Scores(head);
            var factor = deviation / Math.Sqrt(scores.Average(x => x * x) - Math.Pow(scores.Average(), 2));
            for (var i = 0; i < dim; i++)
                _queries[head * dim + i] *= (float)factor;
        }

        _head = new TestHead(place, KvFormat.F32, 4L * rows * dim * sizeof(float));
        Assert.True(Head.TryReserve(rows));
        for (var row = 0; row < rows; row++)
            Head.Append(_keys.AsSpan(row * dim, dim), _values.AsSpan(row * dim, dim));
    }

    public KvHead Head => _head.Rows;

    /// <summary>The policy's selector, told of all rows as a prompt.</summary>
    public Selector Selector(string policy)
    {
        var selector = PolicyCatalog.Parse(policy).CreateSelector(_place);
        var head = _head.With(selector);
        head.Append(0, Head.RowCount);
        head.EndPrompt();
        _head.Build(selector);
        return selector;
    }

    /// <summary>
    /// Errors of a query at each of the last positions, newest first: [positions, group], of the denominator relative to itself and of the numerator relative to
    /// its length; and the share of rows that was read.
    /// </summary>
    public (double[] Mass, double[] Output, double Share) Errors(Selector selector, int positions)
    {
        var (group, dim, rows) = (_place.GroupHeads, _place.Dim, Head.RowCount);
        var (mass, output) = (new double[positions * group], new double[positions * group]);
        var exact = new double[group * (dim + 1)];
        for (var row = 0; row < rows; row++)
            AddExact(exact, row, 1);
        var counts = default(SelectionCounts);
        for (var at = 0; at < positions; at++)
        {
            var sum = _head.Attend(selector, _queries, rows - at, default, ref counts);
            for (var head = 0; head < group; head++)
            {
                var own = exact.AsSpan(head * (dim + 1), dim + 1);
                var (all, square, error) = (Math.Exp(sum.LogSumExp(head)), 0.0, 0.0);
                for (var i = 0; i < dim; i++)
                {
                    square += own[i] * own[i];
                    error += Math.Pow(sum.Output[head * dim + i] * all - own[i], 2);
                }

                mass[at * group + head] = Math.Abs(all / own[dim] - 1);
                output[at * group + head] = error == 0 ? 0 : Math.Sqrt(error / square);
            }

            AddExact(exact, rows - at - 1, -1);
        }

        return (mass, output, (double)counts.Reads.RowsRead / counts.Reads.RowsInSight);
    }

    /// <summary>Of one query head, for every row.</summary>
    public double[] Scores(int head) => [.. Enumerable.Range(0, _place.MaxRows).Select(row => Score(head, row))];

    /// <summary>The query of one head.</summary>
    public ReadOnlySpan<float> Query(int head) => _queries.AsSpan(head * _place.Dim, _place.Dim);

    /// <summary>[rows, dim]</summary>
    public ReadOnlySpan<float> Keys => _keys;

    /// <summary>How far each head's answer is off, relative to its length, and the share of rows that were read.</summary>
    public (double[] Errors, double Share) AnswerErrors(Selector selector)
    {
        var (group, dim) = (_place.GroupHeads, _place.Dim);
        var counts = default(SelectionCounts);
        var sum = _head.Attend(selector, _queries, Head.RowCount, default, ref counts);
        var errors = new double[group];
        for (var head = 0; head < group; head++)
        {
            var exact = (_answers ??= [.. Enumerable.Range(0, group).Select(Answer)])[head];
            var (square, error) = (0.0, 0.0);
            for (var i = 0; i < dim; i++)
                (square, error) = (square + exact[i] * exact[i], error + Math.Pow(sum.Output[head * dim + i] - exact[i], 2));
            errors[head] = Math.Sqrt(error / square);
        }

        return (errors, (double)counts.Reads.RowsRead / Head.RowCount);
    }

    public void Dispose() => _head.Dispose();

    private double[] Answer(int head)
    {
        var (dim, scores, answer, mass) = (_place.Dim, Scores(head), new double[_place.Dim], 0.0);
        var max = scores.Max();
        for (var row = 0; row < scores.Length; row++)
        {
            var weight = Math.Exp(scores[row] - max);
            mass += weight;
            for (var i = 0; i < dim; i++)
                answer[i] += weight * _values[row * dim + i];
        }

        return [.. answer.Select(x => x / mass)];
    }

    private void AddExact(double[] exact, int row, int sign)
    {
        var dim = _place.Dim;
        for (var head = 0; head < _place.GroupHeads; head++)
        {
            var weight = sign * Math.Exp(Score(head, row));
            for (var i = 0; i < dim; i++)
                exact[head * (dim + 1) + i] += weight * _values[row * dim + i];
            exact[head * (dim + 1) + dim] += weight;
        }
    }

    private double Score(int head, int row) => Product(_queries.AsSpan(head * _place.Dim, _place.Dim), _keys.AsSpan(row * _place.Dim, _place.Dim));

    private static double Product(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++)
            sum += (double)x[i] * y[i];
        return sum;
    }
}
