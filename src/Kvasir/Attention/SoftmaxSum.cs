using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention;

/// <summary>
/// Running softmax attention of several queries against one KV head: for each query the largest score, the mass
/// sum(e^(score - max)) and the output sum(e^(score - max) v). Partial sums over disjoint rows merge exactly, whoever made them.
/// </summary>
public readonly ref struct SoftmaxSum
{
    private readonly Span<float> _max;
    private readonly Span<float> _mass;
    private readonly Span<float> _output;
    private readonly int _dim;
    private readonly ReadOnlySpan<float> _sinks;

    /// <param name="max">[count]</param>
    /// <param name="mass">[count]</param>
    /// <param name="output">[count, dim]</param>
    /// <param name="sinks">
    /// [group], of which count is a multiple: scores that belong to no row, of the sum that is finished; none in parts that are merged into it.
    /// </param>
    public SoftmaxSum(Span<float> max, Span<float> mass, Span<float> output, ReadOnlySpan<float> sinks = default)
    {
        Invariant.Holds(max.Length > 0 && mass.Length == max.Length && output.Length % max.Length == 0);
        Invariant.Holds(sinks.IsEmpty || max.Length % sinks.Length == 0);
        _sinks = sinks;
        _max = max;
        _mass = mass;
        _output = output;
        _dim = output.Length / max.Length;
    }

    /// <summary>Queries that are summed side by side.</summary>
    public int Count => _max.Length;

    /// <summary>The largest score so far of each query; negative infinity before any row.</summary>
    public ReadOnlySpan<float> Max => _max;

    /// <summary>sum(e^(score - max)) of each query; 0 before any row.</summary>
    public ReadOnlySpan<float> Mass => _mass;

    /// <summary>[count, dim]; the weighted values, and after <see cref="Finish"/> their mean.</summary>
    public ReadOnlySpan<float> Output => _output;

    /// <summary>The log of the rows' softmax denominator of query <paramref name="query"/>: what merging across machines needs beside the output.</summary>
    public float LogSumExp(int query) => _max[query] + MathF.Log(_mass[query]);

    public static implicit operator SoftmaxView(in SoftmaxSum sum) => new(sum._max, sum._mass, sum._output);

    public void Reset()
    {
        _max.Fill(float.NegativeInfinity);
        _mass.Clear();
        _output.Clear();
    }

    /// <summary>Adds rows of <paramref name="head"/>. A score of negative infinity leaves its row out.</summary>
    /// <param name="scores">[count, stride]; replaced by e^(score - max).</param>
    public void Add(KvHead head, in RowSet rows, Span<float> scores, int stride)
    {
        for (var query = 0; query < Count; query++)
        {
            var own = scores.Slice(query * stride, rows.Count);
            var max = MathF.Max(_max[query], VectorMath.Max(own));
            Rescale(query, max);
            _mass[query] += Softmax.Exponentials(own, max);
        }

        head.AddValues(scores, stride, rows, _output);
    }

    /// <summary>Adds the sums of <paramref name="other"/>, over rows that this one has not seen.</summary>
    public void Merge(in SoftmaxSum other)
    {
        Invariant.Holds(other.Count == Count && other._dim == _dim);
        for (var query = 0; query < Count; query++)
        {
            var max = MathF.Max(_max[query], other._max[query]);
            if (float.IsNegativeInfinity(max) && other._mass[query] == 0)
                continue;
            Rescale(query, max);
            var factor = MathF.Exp(other._max[query] - max);
            _mass[query] += other._mass[query] * factor;
            VectorMath.AddScaled(factor, other._output.Slice(query * _dim, _dim), Part(query));
        }
    }

    /// <summary>
    /// Divides each output by its mass, and that of its sink: a row of zeros with the sink as its score. <see cref="Mass"/> stays that of the rows, by which
    /// policies keep their promises whether there is a sink or not. A query that saw no row gives zeros.
    /// </summary>
    public void Finish()
    {
        for (var query = 0; query < Count; query++)
        {
            var mass = _mass[query] + (_sinks.IsEmpty ? 0 : MathF.Exp(_sinks[query % _sinks.Length] - _max[query]));
            if (mass > 0)
                VectorMath.Scale(Part(query), 1 / mass);
        }
    }

    private Span<float> Part(int query) => _output.Slice(query * _dim, _dim);

    private void Rescale(int query, float max)
    {
        if (max <= _max[query])
            return;
        // Before the first row the old maximum is negative infinity, and the factor 0 meets sums that are 0.
        var factor = MathF.Exp(_max[query] - max);
        _max[query] = max;
        _mass[query] *= factor;
        VectorMath.Scale(Part(query), factor);
    }
}
