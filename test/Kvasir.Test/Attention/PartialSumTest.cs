using System.Collections.Concurrent;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention;

/// <summary>
/// A policy whose older rows another thread attends, as a machine beside this one would: what comes back is their largest score, mass and output. It is written
/// as anybody could write one, and touches this file alone.
/// </summary>
public sealed class PartialSumTest : IDisposable
{
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32", 1e-4)]
    [InlineData("bf16", 5e-2)]
    public void SumsOfAnotherThreadMergeIntoDenseAttention(Kv format, double tolerance)
    {
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..150];
        using var elsewhere = new Elsewhere();
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, Kv = format, KvMemoryBytes = 16 << 20 });
        var options = Generation.Greedy(40);
        var answer = Generation.Run(engine, prompt, options with { Attention = elsewhere, AuditShare = 0.1 });
        answer.AssertEquals(Generation.Run(engine, prompt, options), tolerance, "dense");
        Assert.True(elsewhere.Answered >= 40);
        Assert.Equal(1, answer.Sequence.ReadsByLayer().Sum(static reads => reads.RowsRead) / (double)answer.Sequence.ReadsByLayer().Sum(static reads => reads.RowsInSight));
    }

    private sealed class Elsewhere : AttentionPolicy, IDisposable
    {
        private readonly BlockingCollection<Question> _questions = [];
        private readonly Thread _thread;
        private int _answered;

        public Elsewhere()
            : base(new PolicySpec(PolicyCatalog.Dense.Spec.Entry with { Name = "elsewhere" }))
        {
            _thread = new Thread(Answer);
            _thread.Start();
        }

        public int Answered => _answered;

        public override Selector CreateSelector(HeadPlace place) => new Halves(this);

        public void Dispose()
        {
            _questions.CompleteAdding();
            _thread.Join();
            _questions.Dispose();
        }

        private void Answer()
        {
            foreach (var question in _questions.GetConsumingEnumerable())
            {
                _answered++;
                question.Answer();
            }
        }

        private sealed class Halves(Elsewhere owner) : Selector
        {
            public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
            {
                var half = query.FirstRow + ((query.EndRow - query.FirstRow) / 2);
                var (first, end) = round == 0 ? (half, query.EndRow) : (query.FirstRow, half);
                if (round > 1 || first == end)
                    return false;
                selection.AddRange(first, end - first);
                if (round == 0)
                    return true;
                var question = new Question(query.Head, query.Queries.ToArray(), (first, end));
                owner._questions.Add(question);
                question.Done.Wait();
                selection.BeginPartial(query).Merge(question.Sum);
                return true;
            }
        }
    }

    private sealed class Question(KvHead head, float[] queries, (int First, int End) rows)
    {
        private readonly int _count = queries.Length / head.Dim;
        private float[] _sums = [];

        public ManualResetEventSlim Done { get; } = new();

        public SoftmaxSum Sum => new(_sums.AsSpan(0, _count), _sums.AsSpan(_count, _count), _sums.AsSpan(2 * _count));

        public void Answer()
        {
            try
            {
                _sums = new float[_count * (head.ValueDim + 2)];
                var sum = Sum;
                var own = new RowSet(rows.First, rows.End - rows.First);
                sum.Reset();
                var scores = new float[_count * own.Count];
                head.Score(queries, own, scores, own.Count);
                sum.Add(head, own, scores, own.Count);
            }
            finally
            {
                // Whoever waits goes on, and finds what is wrong.
                Done.Set();
            }
        }
    }
}
