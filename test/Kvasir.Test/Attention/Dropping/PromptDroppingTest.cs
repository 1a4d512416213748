using Kvasir.Attention;
using Kvasir.Attention.Dropping;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Synthetic;

namespace Kvasir.Test.Attention.Dropping;

/// <summary>Which rows the policies keep that decide at the end of a prompt, held to their papers' rules in double precision.</summary>
public sealed class PromptDroppingTest
{
    private const int Layers = 3;
    private const int KvHeads = 2;
    private const int Dim = 8;

    // Scores are sums of floats: rows whose score is this near to the last that stays may be either side of it.
    private const double Near = 1e-5;

    public static TheoryData<string> Policies =>
    [
        "snapkv:share=0.3,observed=8,recent=5",
        new TheoryDataRow<string>("snapkv:share=0.1,kernel=1,observed=300,recent=1,sinks=2").WithTrait("Needs", "Seconds"),
        "snapkv:share=0.4,kernel=7,pool=max,observed=3,recent=12",
        "pyramidkv:share=0.3,observed=8,recent=5",
        "pyramidkv:share=0.7,beta=3,observed=8,recent=5,dense-layers=1",
        "adakv:share=0.3,observed=8,recent=5",
        "adakv:share=0.2,floor=1,observed=8,recent=5",
        "adakv:share=0.1,floor=0.01,kernel=1,observed=20,recent=2,dense-layers=0",
        "prefixkv:share=0.3,observed=8,recent=5",
        "prefixkv:share=0.05,observed=30,recent=2,sinks=0,dense-layers=2",
        "prefixkv:share=0.9,observed=1,recent=1",
    ];

    // Scores lie in pages of 1,024 rows, and a context as short as this is attended whole.
    [Theory]
    [InlineData("snapkv")]
    [InlineData("pyramidkv")]
    public void APromptThatFillsItsPagesOfScoresAndDropsNothingGoesOn(string policy)
    {
        using var model = Model.Synthetic("tiny", SyntheticWeights.BF16, options: TestModels.AsStored);
        using var engine = new Engine(model, new EngineOptions { Threads = 1, KvMemoryBytes = 32 << 20, BatchTokens = 512 });
        int[] prompt = [.. Enumerable.Range(0, 1024).Select(static i => 3 + i * i % 900)];
        var sequence = new Sequence(prompt, Generation.Greedy(3) with { Attention = PolicyCatalog.Parse(policy), TopLogprobs = null });
        engine.Submit(sequence);
        while (engine.Step())
            engine.Verify();
        Assert.Null(sequence.Failure);
        Assert.Equal(3, sequence.GeneratedCount);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void RowsThatStayAreThoseOfThePaper(string name)
    {
        var seed = Random.Shared.Next();
        foreach (var group in new[] { 1, 3, 7 })
        {
            foreach (var rows in new[] { 1, 7, 31, 33, 200, 1100 })
                AssertRule(PolicyCatalog.Parse($"{name},min-context=0"), new Random(seed), group, rows, $"{name}, group of {group}, {rows} rows, seed {seed}");
        }
    }

    [Fact]
    public void BudgetsOfAPyramidFallInEqualSteps()
    {
        // 100 rows in the mean: from 195 to 5.
        var policy = (PromptDropping)PolicyCatalog.Parse("pyramidkv:share=0.132,recent=32,min-context=0");
        Assert.Equal([195, 147, 100, 52, 5], Enumerable.Range(0, 5).Select(layer => policy.KeptIn((layer, 5), (0, 968), 1000)));
        // 113 in the mean, and the lowest layer has no more than 168: what it cannot keep the highest does.
        policy = (PromptDropping)PolicyCatalog.Parse("pyramidkv:share=0.725,recent=32,min-context=0");
        Assert.Equal([168, 113, 58], Enumerable.Range(0, 3).Select(layer => policy.KeptIn((layer, 3), (0, 168), 200)));
    }

    [Fact]
    public void APromptThatIsReadWholeKeepsItsRowsForGood()
    {
        using var model = Generation.LoadStories();
        var prompt = Enumerable.Range(0, 60).Select(static i => 5 + i % 90).ToArray();
        foreach (var name in new[] { "snapkv:share=0.1", "adakv:share=0.1", "pyramidkv:share=0.1", "prefixkv:share=0.1", "dbudgetkv:threshold=0.5" })
        {
            // The context passes the least one while tokens come.
            var options = Generation.Greedy(60) with { Attention = PolicyCatalog.Parse($"{name},recent=4,min-context=80") };
            Generation.Run(model, Options, prompt, options).AssertEquals(Generation.Run(model, Options, prompt, Generation.Greedy(60)), 1e-4, name);
        }
    }

    // Rows that are left behind one another are read in other vectors than rows that are listed.
    [Theory]
    [InlineData("snapkv:share=0.3")]
    [InlineData("pyramidkv:share=0.3")]
    [InlineData("adakv:share=0.3")]
    [InlineData("prefixkv:share=0.3")]
    [InlineData("dbudgetkv:threshold=0.1")]
    public void AnAuditedSequenceWhichKeepsItsRowsReadsTheSame(string name)
    {
        using var model = Generation.LoadStories();
        var prompt = Enumerable.Range(0, 300).Select(static i => 5 + i * i % 90).ToArray();
        var options = Generation.Greedy(40) with { Attention = PolicyCatalog.Parse($"{name},recent=16,min-context=0") };
        foreach (var kv in new[] { KvFormat.F32, KvFormat.Q8 })
        {
            var dropping = Generation.Run(model, Options with { Kv = kv }, prompt, options);
            var keeping = Generation.Run(model, Options with { Kv = kv }, prompt, options with { AuditShare = 0.05 });
            // A key that differs in its last bit may be rounded to a neighbour, and heads of few elements feel that.
            dropping.AssertEquals(keeping, kv == KvFormat.F32 ? 2e-3 : 1e-1, $"{name}, {kv}");
            Assert.Equal(keeping.Sequence.ReadsByLayer().ToArray(), dropping.Sequence.ReadsByLayer().ToArray());
        }
    }

    private static EngineOptions Options => new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };

    private static void AssertRule(AttentionPolicy policy, Random random, int group, int rows, string what)
    {
        var first = new HeadPlace(0, Layers, 0, group, Dim, rows + 8) { Together = policy.CreateTogether() };
        var spec = policy.Spec;
        var (sinks, recent, dense) = (spec.Whole("sinks"), spec.Whole("recent"), spec.Layers("dense-layers"));
        using var rowsOf = new TestHead(first, KvFormat.F32);
        Assert.True(rowsOf.Rows.TryReserve(rows));
        for (var row = 0; row < rows; row++)
            rowsOf.Rows.Append(TestHead.Normal(random, Dim), TestHead.Normal(random, Dim));

        var scores = new double[Layers * KvHeads][];
        var selectors = new Selector[Layers * KvHeads];
        for (var layer = 0; layer < Layers; layer++)
            policy.CreateLayer(first with { Layer = layer }, selectors.AsSpan(layer * KvHeads, KvHeads));
        for (var i = 0; i < selectors.Length; i++)
        {
            scores[i] = Observed(selectors[i], policy.ObservedPromptRows, (group, rows), random);
            selectors[i].EndPrompt(rowsOf.Rows);
        }

        var middle = (First: Math.Min(sinks, rows), End: rows + 1 - recent);
        if (middle.First >= middle.End)
            middle = (0, 0);
        var (expected, isClose) = Kept(spec, scores, middle, rows, dense);
        // Whoever asks first decides for all.
        foreach (var i in Enumerable.Range(0, selectors.Length).OrderBy(_ => random.Next()))
        {
            var edit = new RowEdit();
            edit.Begin(rows);
            selectors[i].Edit(rowsOf.Rows, (0, rows + 1), edit);
            var kept = Enumerable.Range(0, rows).Where(edit.Keeps).ToArray();
            if (dense.Contains(i / KvHeads) || middle.First == middle.End)
            {
                Assert.Equal(rows, kept.Length);
                continue;
            }

            AssertBest(scores[i], middle, (expected[i], isClose ? 1 : 0), kept, $"{what}, head {i}");
        }

        foreach (var selector in selectors)
            selector.Dispose();
    }

    // What lies outside stays; of what lies between, the best.
    private static void AssertBest(double[] scores, (int First, int End) middle, (int Rows, int Within) wanted, int[] kept, string what)
    {
        var between = kept.Where(row => row >= middle.First && row < middle.End).ToArray();
        Assert.Equal(scores.Length - (middle.End - middle.First), kept.Length - between.Length);
        Assert.True(Math.Abs(between.Length - wanted.Rows) <= wanted.Within, $"{what}: {between.Length} rows between the zones stay, not {wanted.Rows}");
        if (between.Length == 0)
            return;
        var limit = Enumerable.Range(middle.First, middle.End - middle.First).Select(row => scores[row]).OrderDescending().ElementAt(between.Length - 1);
        Assert.All(between, row => Assert.True(scores[row] >= limit * (1 - Near), $"{what}: row {row} stays with {scores[row]}, where {limit} is wanted"));
    }

    // Tells a selector random weights of the last rows, softmaxes with a few large numbers, and says what they sum up to.
    private static double[] Observed(Selector selector, int observed, (int Group, int Rows) of, Random random)
    {
        var sums = new double[of.Rows];
        var weights = new float[of.Group * of.Rows];
        int[] all = [.. Enumerable.Range(0, of.Rows)];
        selector.Append(null!, 0, of.Rows);
        for (var position = Math.Max(0, of.Rows - observed); position < of.Rows; position++)
        {
            for (var head = 0; head < of.Group; head++)
            {
                var own = weights.AsSpan(head * of.Rows, position + 1);
                for (var row = 0; row < own.Length; row++)
                    own[row] = MathF.Exp(3 * TestHead.Normal(random, 1)[0]);
                var sum = 0f;
                foreach (var weight in own)
                    sum += weight;
                for (var row = 0; row < own.Length; row++)
                    sums[row] += own[row] /= sum;
            }

            selector.Observe(position, new RowSet(all.AsSpan(0, position + 1)), weights, of.Rows);
        }

        return sums;
    }

    // [heads]: how many rows between the zones stay, and whether the last that does is so near to the next that rounding may give it to another head; scores
    // become what they are ranked by.
    private static (int[] Rows, bool IsClose) Kept(PolicySpec spec, double[][] scores, (int First, int End) middle, int rows, IReadOnlySet<int> dense)
    {
        var between = middle.End - middle.First;
        var mean = Math.Clamp((int)MathF.Ceiling(spec.Real("share") * rows) - (rows - between), 0, between);
        var layers = Enumerable.Range(0, Layers).Where(layer => !dense.Contains(layer)).ToArray();
        var kept = new int[scores.Length];
        Array.Fill(kept, mean);
        if (spec.Entry.Name == "prefixkv")
            return (kept, OfOneShare(scores, kept, middle, layers));
        var isClose = false;

        for (var i = 0; i < scores.Length; i++)
            scores[i] = Smoothed(scores[i], middle.End, spec.Whole("kernel"), spec.Is("pool", "max"));
        for (var layer = 0; layer < Layers; layer++)
        {
            if (spec.Entry.Name == "pyramidkv")
                kept[layer * KvHeads] = kept[layer * KvHeads + 1] = ((PromptDropping)spec.Create()).KeptIn((layer, Layers), middle, rows);
            if (spec.Entry.Name == "adakv")
                isClose |= OfOneBudget(scores, kept, middle, layer, spec.Real("floor"));
        }

        return (kept, isClose);
    }

    // Of numbers in the order in which they are taken.
    private static bool IsClose(double[] ordered, int taken) =>
        taken > 0 && taken < ordered.Length && Math.Abs(ordered[taken] - ordered[taken - 1]) <= Near * Math.Abs(ordered[taken]);

    private static double[] Smoothed(double[] scores, int end, int width, bool largest)
    {
        var smoothed = scores.ToArray();
        for (var row = 0; row < end; row++)
        {
            var near = Enumerable.Range(row - width / 2, width).Select(other => other >= 0 && other < end ? scores[other] : 0).ToArray();
            smoothed[row] = largest ? near.Max() : near.Average();
        }

        return smoothed;
    }

    private static bool OfOneBudget(double[][] scores, int[] kept, (int First, int End) middle, int layer, double floor)
    {
        var mean = kept[layer * KvHeads];
        var ordered = Enumerable.Range(0, KvHeads)
            .SelectMany(head => scores[layer * KvHeads + head][middle.First..middle.End].Select(score => (Score: score, Head: head)))
            .OrderByDescending(static of => of.Score).ToArray();
        var best = ordered[..(KvHeads * mean)];
        var isClose = IsClose([.. ordered.Select(static of => of.Score)], best.Length);
        var (wanted, given) = (0.0, 0);
        for (var head = 0; head < KvHeads; head++)
        {
            wanted += best.Count(of => of.Head == head) * (1 - floor) + mean * floor;
            kept[layer * KvHeads + head] = (int)Math.Round(wanted) - given;
            given = (int)Math.Round(wanted);
            isClose |= Math.Abs(wanted - Math.Floor(wanted) - 0.5) <= Near;
        }

        return isClose;
    }

    private static bool OfOneShare(double[][] scores, int[] kept, (int First, int End) middle, int[] layers)
    {
        var between = middle.End - middle.First;
        var left = layers.Length * kept[0];
        var shares = new List<(double Share, int Layer)>();
        foreach (var layer in layers)
        {
            var sum = scores[layer * KvHeads].Zip(scores[layer * KvHeads + 1], static (x, y) => x + y).ToArray();
            (scores[layer * KvHeads], scores[layer * KvHeads + 1]) = (sum, sum);
            var reached = sum[..middle.First].Sum() + sum[middle.End..].Sum();
            foreach (var score in sum[middle.First..middle.End].OrderDescending())
            {
                // A row is wanted as soon as a larger share is than those before it have.
                shares.Add((reached / sum.Sum(), layer));
                reached += score;
            }
        }

        Array.Fill(kept, 0);
        var ordered = shares.OrderBy(static of => of.Share).ToArray();
        foreach (var (_, layer) in ordered.Take(left))
        {
            kept[layer * KvHeads]++;
            kept[layer * KvHeads + 1]++;
        }

        return IsClose([.. ordered.Select(static of => of.Share)], left);
    }
}
