using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention;

/// <summary>The seam that sparse policies plug into, held by small policies of this test's own.</summary>
public sealed class SelectorTest : IDisposable
{
    private const int PromptCount = 75;
    private const int AnswerCount = 25;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20, BatchTokens = 32 };
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Fact]
    public void RowsListedInRoundsEqualDense() =>
        Answer(new TestPolicy(_ => new RoundsOfRows())).AssertEquals(Answer(null), 1e-4, "rounds of listed rows");

    [Fact]
    public void ReweightingByNegativeInfinityEqualsNotSelecting()
    {
        var masked = Answer(new TestPolicy(_ => new EvenRows(masks: true)));
        Answer(new TestPolicy(_ => new EvenRows(masks: false))).AssertEquals(masked, 1e-4, "even rows");
        Assert.NotEqual(Answer(null).Logprobs, masked.Logprobs);
    }

    [Fact]
    public void ASelectorSeesEveryRowOnceAndThePromptsEndOnce()
    {
        var selectors = new List<Recorder>();
        Answer(new TestPolicy(_ => Record(selectors, new Recorder())));
        Assert.Equal(20, selectors.Count);
        Assert.All(selectors, recorder =>
        {
            Assert.Equal(Enumerable.Range(0, PromptCount + AnswerCount - 1), recorder.Appended);
            Assert.Equal(PromptCount, recorder.RowsAtPromptEnd);
        });
    }

    [Fact]
    public void ObservedWeightsAreTheSoftmaxOfThePromptsLastRowsAndOfEveryDecodeStep()
    {
        var selectors = new List<Recorder>();
        Answer(new TestPolicy(_ => Record(selectors, new Recorder()), observedPromptRows: 40, observesDecode: true));
        Assert.All(selectors, recorder =>
        {
            Assert.Equal(Enumerable.Range(PromptCount - 40, 40 + AnswerCount - 1), recorder.Observed.Select(o => o.Position));
            Assert.All(recorder.Observed, o =>
            {
                Assert.Equal(o.Position + 1, o.RowCount);
                Assert.All(o.Sums, sum => Assert.Equal(1, sum, 1e-4));
            });
        });
    }

    [Fact]
    public void SequencesWithDifferentPoliciesShareABatch()
    {
        var even = new TestPolicy(_ => new EvenRows(masks: false));
        using var engine = new Engine(_model, Exact);
        var together = Generation.RunAll(engine, [(Prompt(), Options(null)), (Prompt(), Options(even))]);
        together[0].AssertEquals(Answer(null), 1e-4, "dense beside even");
        together[1].AssertEquals(Answer(even), 1e-4, "even beside dense");
    }

    [Fact]
    public void UnknownPoliciesAndOptionsListTheKnown()
    {
        var unknown = Assert.Throws<KvasirException>(() => PolicyCatalog.Parse("densest"));
        Assert.Contains("'densest'", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("dense", unknown.Message, StringComparison.Ordinal);
        var option = Assert.Throws<KvasirException>(() => PolicyCatalog.Parse("dense:window=3"));
        Assert.Contains("window=3", option.Message, StringComparison.Ordinal);
    }

    private static Recorder Record(List<Recorder> selectors, Recorder recorder)
    {
        selectors.Add(recorder);
        return recorder;
    }

    private static GenerationOptions Options(AttentionPolicy? policy) => Generation.Greedy(AnswerCount) with { Attention = policy };

    private Generation Answer(AttentionPolicy? policy) => Generation.Run(_model, Exact, Prompt(), Options(policy));

    private int[] Prompt() =>
        _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..PromptCount];

    private sealed class TestPolicy(Func<HeadPlace, Selector> create, int observedPromptRows = 0, bool observesDecode = false) : AttentionPolicy(PolicyCatalog.Dense.Spec)
    {
        public override int ObservedPromptRows => observedPromptRows;

        public override bool ObservesDecode => observesDecode;

        public override Selector CreateSelector(HeadPlace place) => create(place);
    }

    // The newest rows first, seven at a time, each listed.
    private sealed class RoundsOfRows : Selector
    {
        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            var end = query.EndRow - (7 * round);
            for (var row = end - 1; row >= Math.Max(end - 7, query.FirstRow); row--)
                selection.Add(row);
            return end > query.FirstRow;
        }
    }

    private sealed class EvenRows(bool masks) : Selector
    {
        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            for (var row = query.FirstRow; row < query.EndRow && round == 0; row++)
            {
                if (masks || row % 2 == 0)
                    selection.Add(row);
            }

            return round == 0;
        }

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            for (var i = 0; i < rows.Count; i++)
            {
                for (var at = i; rows[i] % 2 == 1 && at < scores.Length; at += stride)
                    scores[at] = float.NegativeInfinity;
            }
        }
    }

    private sealed class Recorder : Selector
    {
        public List<int> Appended { get; } = [];

        public List<(int Position, int RowCount, float[] Sums)> Observed { get; } = [];

        public int RowsAtPromptEnd { get; private set; }

        public override void Append(KvHead head, int firstRow, int rowCount) => Appended.AddRange(Enumerable.Range(firstRow, rowCount));

        public override void EndPrompt(KvHead head)
        {
            Assert.Equal(0, RowsAtPromptEnd);
            RowsAtPromptEnd = head.RowCount;
        }

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round == 0)
                selection.AddRange(query.FirstRow, query.EndRow - query.FirstRow);
            return round == 0;
        }

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
        {
            var sums = new float[weights.Length / stride];
            for (var head = 0; head < sums.Length; head++)
                sums[head] = weights.Slice(head * stride, rows.Count).ToArray().Sum();
            Observed.Add((position, rows.Count, sums));
        }
    }
}
