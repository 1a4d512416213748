using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Support;

/// <summary>
/// Another policy, of whose decode steps everything is kept: queries, keys, values, and which rows got which log-weight. Says in double precision how far
/// each query head was from dense attention.
/// </summary>
internal sealed class RecordedAttention(AttentionPolicy policy) : AttentionPolicy(policy.Spec)
{
    private readonly List<Recorder> _recorders = [];

    /// <summary>Of a layer and a query head; null for a model without.</summary>
    public Func<int, int, double>? Sinks { get; init; }

    public override int ObservedPromptRows => policy.ObservedPromptRows;

    public override bool ObservesDecode => policy.ObservesDecode;

    public override bool DecidesByLayer => policy.DecidesByLayer;

    /// <summary>A figure for each query head of every step, in no particular order.</summary>
    public IReadOnlyList<HeadFigure> Figures => [.. _recorders.SelectMany(static recorder => recorder.Figures())];

    public override Selector CreateSelector(HeadPlace place) => Record(place, policy.CreateSelector(place));

    public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
    {
        policy.CreateLayer(first, selectors);
        for (var i = 0; i < selectors.Length; i++)
            selectors[i] = Record(first with { KvHead = i }, selectors[i]);
    }

    private Recorder Record(HeadPlace place, Selector selector)
    {
        var recorder = new Recorder(place, selector, Sinks);
        lock (_recorders)
            _recorders.Add(recorder);
        return recorder;
    }

    /// <param name="Error">|output - dense output| / |dense output|.</param>
    /// <param name="Mass">Of dense attention, on the rows that the query head read.</param>
    /// <param name="RowsUsed">By the query head.</param>
    /// <param name="RowsRead">By its group.</param>
    internal sealed record HeadFigure(int Layer, int KvHead, int Head, int Position, double Error, double Mass, int RowsUsed, int RowsRead, int RowsInSight);

    private sealed class Recorder(HeadPlace place, Selector selector, Func<int, int, double>? sinks) : Selector
    {
        private readonly List<Step> _steps = [];

        public override long IndexBytes => selector.IndexBytes;

        public IEnumerable<HeadFigure> Figures() => _steps.SelectMany(step => Enumerable.Range(0, place.GroupHeads).Select(head => step.Figure(place, head, SinkOf(head))));

        private double SinkOf(int head) => sinks?.Invoke(place.Layer, (place.KvHead * place.GroupHeads) + head) ?? double.NegativeInfinity;

        public override void Append(KvHead head, int firstRow, int rowCount) => selector.Append(head, firstRow, rowCount);

        public override int RowsWaiting => selector.RowsWaiting;

        public override void EndPrompt(KvHead head) => selector.EndPrompt(head);

        public override void Mark(int rows) => selector.Mark(rows);

        public override void Build(KvHead head, int rows, IndexScratch scratch) => selector.Build(head, rows, scratch);

        public override void Truncate(int rows) => selector.Truncate(rows);

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) => selector.Observe(position, rows, weights, stride);

        public override void Consider(in HeadQuery query, int round, in SoftmaxView sum) => selector.Consider(query, round, sum);

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) => selector.Weighed(rows, listed, weights, stride, max);

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round == 0)
                _steps.Add(new Step(query));
            return selector.Select(query, round, sum, selection);
        }

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            var before = scores.ToArray();
            selector.Reweight(rows, listed, scores, stride);
            for (var i = 0; i < rows.Count; i++)
            {
                var weights = new double[place.GroupHeads];
                for (var head = 0; head < weights.Length; head++)
                    weights[head] = Math.Exp((double)scores[head * stride + i] - before[head * stride + i]);
                _steps[^1].Weights.Add(rows[i], weights);
            }
        }

        protected override void Dispose(bool disposing)
        {
            selector.Dispose();
            base.Dispose(disposing);
        }
    }

    private sealed class Step
    {
        private readonly float[] _queries;
        private readonly int _firstRow;
        private readonly float[][] _keys;
        private readonly float[][] _values;

        public Step(in HeadQuery query)
        {
            (_queries, _firstRow) = (query.Queries.ToArray(), query.FirstRow);
            var count = query.EndRow - query.FirstRow;
            (_keys, _values) = (new float[count][], new float[count][]);
            for (var i = 0; i < count; i++)
            {
                (_keys[i], _values[i]) = (new float[query.Head.Dim], new float[query.Head.Dim]);
                query.Head.Keys.Decode(_firstRow + i, _keys[i]);
                query.Head.Values.Decode(_firstRow + i, _values[i]);
            }
        }

        /// <summary>By row, what each query head multiplied the row's weight with; 0 where only others wanted it.</summary>
        public Dictionary<int, double[]> Weights { get; } = [];

        public HeadFigure Figure(HeadPlace place, int head, double sink)
        {
            var count = _keys.Length;
            var scores = _keys.Select(key => Enumerable.Range(0, place.Dim).Sum(i => (double)key[i] * _queries[head * place.Dim + i])).ToArray();
            var most = scores.Max();
            var dense = scores.Select(score => Math.Exp(score - most)).ToArray();
            var factors = Enumerable.Range(0, count).Select(i => Weights.TryGetValue(_firstRow + i, out var weights) ? weights[head] : 0).ToArray();
            var nothing = Math.Exp(sink - most);
            var expected = Output(dense, nothing, place.Dim);
            var actual = Output([.. dense.Zip(factors, (weight, factor) => weight * factor)], nothing, place.Dim);
            var error = Length(actual.Zip(expected, (x, y) => x - y)) / Length(expected);
            var used = Enumerable.Range(0, count).Where(i => factors[i] > 0).ToArray();
            var mass = used.Sum(i => dense[i]) / dense.Sum();
            return new HeadFigure(place.Layer, place.KvHead, head, _firstRow + count - 1, error, mass, used.Length, Weights.Count, count);
        }

        private double[] Output(double[] weights, double nothing, int dim)
        {
            var (output, sum) = (new double[dim], weights.Sum() + nothing);
            for (var row = 0; row < weights.Length; row++)
            {
                for (var i = 0; i < dim; i++)
                    output[i] += weights[row] / sum * _values[row][i];
            }

            return output;
        }

        private static double Length(IEnumerable<double> values) => Math.Sqrt(values.Sum(static value => value * value));
    }
}
