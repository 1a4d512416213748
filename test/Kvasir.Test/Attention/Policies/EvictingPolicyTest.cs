using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;

namespace Kvasir.Test.Attention.Policies;

/// <summary>A policy that gives up every second page, written as anybody could write one: it touches this file alone.</summary>
public sealed class EvictingPolicyTest : IDisposable
{
    private const int PageRows = SharedPrompt.UnitTokens;
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _prompt;

    public EvictingPolicyTest() => _prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("The cat sat on the mat and looked at the big red ball. ", 40)))[..330];

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("int8")]
    [InlineData("int8-channel")]
    public void EverySecondPageIsFreedAndNeverMissed(Kv type)
    {
        var options = Generation.Greedy(150) with { Attention = new EverySecondPage() };
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, Kv = type, KvMemoryBytes = 64 << 20, BatchTokens = 512 });
        var sequence = new Sequence(_prompt, options);
        engine.Submit(sequence);
        while (engine.Step())
        {
            engine.Verify();
            if (sequence.Finish != FinishReason.None)
                continue;
            // Of the pages behind which a whole one lies, every second; up to three more wait to be dropped where whole pages alone are.
            var pages = (sequence.CachedCount + PageRows - 1) / PageRows;
            var kept = engine.KvBytesInUse / (PageRows * engine.Plan.KvBytesPerToken);
            Assert.InRange(kept, (pages + 1) / 2, (pages / 2) + 5);
        }

        // The same choice over rows that are all there: an audited sequence keeps them.
        var (dropping, keeping) = (Generation.Read(sequence), Generation.Run(engine, _prompt, options with { AuditShare = 0.01 }));
        Assert.Equal(keeping.Tokens, dropping.Tokens);
        Assert.Equal(keeping.Logprobs, dropping.Logprobs);
    }

    private sealed class EverySecondPage() : AttentionPolicy(new PolicySpec(PolicyCatalog.Dense.Spec.Entry with { Name = "every-second-page" }))
    {
        public override bool DropsRows => true;

        public override Selector CreateSelector(HeadPlace place) => new Pages();

        private sealed class Pages : Selector
        {
            public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
            {
                for (var row = query.FirstRow; round == 0 && row < query.EndRow;)
                {
                    var end = Math.Min(query.EndRow, query.Head.RowAt((query.Head.Position(row) / PageRows + 1) * PageRows));
                    if (IsRead(query.Head, row, query.EndPosition))
                        selection.AddRange(row, end - row);
                    row = end;
                }

                return round == 0;
            }

            public override int DroppableRows(KvHead head, (int First, int End) visible)
            {
                var rows = 0;
                for (var row = 0; row < head.RowCount; row += PageRows)
                    rows += IsRead(head, row, visible.End) ? 0 : PageRows;
                return rows;
            }

            public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
            {
                for (var row = 0; row < head.RowCount; row += PageRows)
                {
                    if (!IsRead(head, row, visible.End))
                        edit.Drop(row, PageRows);
                }
            }

            // The first page, the third and so on, and whatever has no whole page behind it.
            private static bool IsRead(KvHead head, int row, int end) =>
                head.Position(row) / PageRows is var page && (page % 2 == 0 || (page + 2) * PageRows > end);
        }
    }
}
