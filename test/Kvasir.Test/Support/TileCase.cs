using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Support;

/// <summary>Queries of consecutive positions over random rows in pages that are NaN elsewhere, and what they attend to in f64.</summary>
internal sealed class TileCase : IDisposable
{
    private readonly KvFormat _type;
    private readonly int _dim;
    private readonly CausalView _view;
    private readonly float[][] _keys;
    private readonly float[][] _values;
    private readonly float[] _queries;
    private readonly PoisonedPages _pages;
    private readonly NativeBuffer _scratch;
    private readonly string _description;

    public TileCase(KvFormat type, int dim, CausalView view, int positions, int seed, float queryScale = 1)
    {
        var random = new Random(seed);
        (_type, _dim, _view) = (type, dim, view);
        _description = $"{type}, dim {dim}, {positions} positions, {view}, seed {seed}";
        var (count, end) = (positions * view.GroupHeads, view.FirstPosition + positions);
        _pages = new PoisonedPages(type, dim, 1 << random.Next(2, 7), end, random);
        _keys = [.. Enumerable.Range(0, end).Select(row => _pages.Write(values: false, row, AttentionCase.Normal(random, dim)))];
        _values = [.. Enumerable.Range(0, end).Select(row => _pages.Write(values: true, row, AttentionCase.Normal(random, dim)))];
        _queries = [.. AttentionCase.Normal(random, count * dim).Select(x => x * queryScale / MathF.Sqrt(dim))];
        _scratch = new NativeBuffer(TileAttention.ScratchBytes(dim, count));
        _scratch.Span<byte>((int)_scratch.Bytes).Fill(0xFF);
        Outputs = new float[count * dim];
    }

    /// <summary>[positions, group, dim]</summary>
    public float[] Outputs { get; }

    public void Run() => TileAttention.Run(_queries, _pages.Keys, _pages.Values, _view, _scratch.View, Outputs);

    /// <summary>Puts a value where a row's first element was.</summary>
    public void Spoil(bool values, int row, float value)
    {
        var elements = (values ? _values : _keys)[row];
        elements[0] = value;
        _pages.Write(values, row, elements);
    }

    /// <summary>
    /// Weights are cut to 8 bits, by up to 2^-7 of themselves, and so is the mass that they are divided by: an output may be off by 2^-6 of
    /// the root of the sum of squares of what its rows contribute. A q8 element is rounded to 8 bits when it becomes bf16, which moves scores
    /// by some 2^-9 of the root of the sum of squares of their products, and weights by as much of themselves.
    /// </summary>
    public void RequireOutputs()
    {
        for (var query = 0; query < Outputs.Length / _dim; query++)
        {
            var own = _queries.AsSpan(query * _dim, _dim).ToArray();
            var position = _view.FirstPosition + query / _view.GroupHeads;
            var first = _view.WindowTokens is { } window ? Math.Max(0, position - window + 1) : 0;
            var scores = _keys[first..(position + 1)].Select(key => Dot(own, key)).ToArray();
            var weights = scores.Select(score => Math.Exp(score - scores.Max())).ToArray();
            var mass = weights.Sum();
            var keyError = _type.Keys != RowCodec.BF16 ? _keys[first..(position + 1)].Max(key => Math.Sqrt(own.Zip(key, (x, y) => Math.Pow(x * y / 512, 2)).Sum())) : 0;
            for (var d = 0; d < _dim; d++)
            {
                var parts = weights.Select((weight, i) => weight / mass * _values[first + i][d]).ToArray();
                var size = Math.Sqrt(parts.Sum(part => part * part)) + Math.Abs(parts.Sum()) / Math.Sqrt(parts.Length);
                var tolerance = size * (2.0 / 128 + 4 * keyError) + 1e-6;
                var actual = Outputs[query * _dim + d];
                if (!(Math.Abs(actual - parts.Sum()) <= tolerance))
                    Assert.Fail($"query {query}, element {d}: {actual} instead of {parts.Sum()}, tolerance {tolerance} ({_description})");
            }
        }
    }

    public void Dispose()
    {
        _pages.Dispose();
        _scratch.Dispose();
    }

    private static double Dot(float[] x, float[] y)
    {
        var sum = 0.0;
        for (var i = 0; i < y.Length; i++)
            sum += (double)x[i] * y[i];
        return sum;
    }
}
