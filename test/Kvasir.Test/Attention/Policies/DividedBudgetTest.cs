using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Attention.Policies;

/// <summary>Heads of a layer that divide a budget of rows when the prompt is over: those whose attention goes further back get more.</summary>
public sealed class DividedBudgetTest : IDisposable
{
    private const int PromptTokens = 300;
    private const int Newest = 16;
    private const int BudgetRows = 200;
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData("f32")]
    [InlineData("q8")]
    public void HeadsOfALayerShareABudgetByTheirMass(Kv type)
    {
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Lily saw a small dog near the tree and gave it some water. ", 40)))[..PromptTokens];
        var policy = new Divided();
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, Kv = type, KvMemoryBytes = 64 << 20, BatchTokens = 128 });
        var sequence = new Sequence(prompt, Generation.Greedy(30) with { Attention = policy });
        engine.Submit(sequence);
        while (sequence.GeneratedCount == 0)
            engine.Step();
        engine.Verify();
        var (layers, heads) = (_model.Config.LayerCount, _model.Config.KvHeadCount);
        // Once for each layer, when all heads had observed.
        Assert.Equal(Enumerable.Range(0, layers), policy.Ended.Order());
        Assert.Equal(layers * heads, policy.Kept.Count);
        for (var layer = 0; layer < layers; layer++)
        {
            var kept = Enumerable.Range(0, heads).Select(head => policy.Kept[(layer, head)]).ToArray();
            Assert.InRange(kept.Sum(), heads * Newest + BudgetRows - heads, heads * Newest + BudgetRows);
            Assert.True(kept.Max() > kept.Min(), string.Join(' ', kept));
        }

        var pages = policy.Kept.Values.Sum(static rows => (rows + PagePool.PageTokens - 1) / PagePool.PageTokens);
        Assert.Equal(pages * PagePool.PageTokens * engine.Plan.KvBytesPerToken / (layers * heads), engine.KvBytesInUse);
        while (engine.Step())
            engine.Verify();
        Assert.Equal((30, 0L), (sequence.GeneratedCount, engine.KvBytesInUse));
    }

    private sealed class Divided() : AttentionPolicy(new PolicySpec(PolicyCatalog.Dense.Spec.Entry with { Name = "divided" }))
    {
        private readonly Lock _gate = new();

        public List<int> Ended { get; } = [];

        public Dictionary<(int Layer, int KvHead), int> Kept { get; } = [];

        public override bool DropsRows => true;

        public override int ObservedPromptRows => 8;

        public override Selector CreateSelector(HeadPlace place) => new Collecting(this, place);

        public override void EndPrompt(LayerHeads heads)
        {
            using var gate = _gate.EnterScope();
            Ended.Add(heads.Layer);
            var masses = new float[heads.Count];
            for (var i = 0; i < masses.Length; i++)
                masses[i] = ((Collecting)heads.Selector(i)).Sums[..(PromptTokens - Newest)].Sum();
            for (var i = 0; i < masses.Length; i++)
            {
                var (sums, old) = (((Collecting)heads.Selector(i)).Sums, PromptTokens - Newest);
                var rows = Math.Min(old, (int)(BudgetRows * masses[i] / masses.Sum()));
                heads.Edit(i).KeepOnly([.. Enumerable.Range(0, old).OrderByDescending(row => sums[row]).Take(rows).Order(), .. Enumerable.Range(old, Newest)]);
            }
        }

        private sealed class Collecting(Divided owner, HeadPlace place) : Selector
        {
            public float[] Sums { get; } = new float[place.MaxRows];

            public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
            {
                if (round == 0)
                    selection.AddRange(query.FirstRow, query.EndRow - query.FirstRow);
                return round == 0;
            }

            public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
            {
                for (var i = 0; i < rows.Count * place.GroupHeads; i++)
                    Sums[rows[i % rows.Count]] += weights[i / rows.Count * stride + (i % rows.Count)];
            }

            public override void Edited(KvHead head, RowEdit edit)
            {
                using var gate = owner._gate.EnterScope();
                owner.Kept.Add((place.Layer, place.KvHead), head.RowCount);
            }
        }
    }
}
