using Kvasir.Attention.Policies;

namespace Kvasir.Test.Attention.Dropping;

/// <summary>Rows go as long as the norm of attention can lose them: held to the paper's rule in double precision.</summary>
public sealed class DBudgetKVTest(ITestOutputHelper output)
{
    // Squares are summed as floats.
    private const double Near = 1e-6;
    private const int Observed = 12;
    private const int Sinks = 2;
    private const int Recent = 5;

    public static TheoryData<string, string, double> Rules => new MatrixTheoryData<string, string, double>(
        ["frobenius", "last-token"], ["position", "h2o", "snapkv"], [0.3, 0.05, 0.002]);

    [Theory]
    [Trait("Needs", "Seconds")]
    [MemberData(nameof(Rules))]
    public void AsManyRowsGoAsTheNormCanLose(string metric, string order, double threshold)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        foreach (var (group, dim, rows) in ((int, int, int)[])[(1, 48, 1), (3, 64, 7), (7, 128, 31), (1, 256, 33), (3, 80, 300), (7, 48, 700)])
        {
            var random = new Random(seed);
            var policy = PolicyCatalog.Parse(FormattableString.Invariant(
                $"dbudgetkv:metric={metric},order={order},threshold={threshold},observed={Observed},sinks={Sinks},recent={Recent},min-context=0"));
            using var heads = new ObservedHeads(policy, random, (2, group, dim, rows), Observed);
            var kept = heads.Kept(random);
            for (var layer = 0; layer < heads.Layers; layer++)
                AssertLayer(heads, layer * ObservedHeads.KvHeads, kept, (metric, order, threshold), $"group of {group}, {dim} elements, {rows} rows, layer {layer}");
        }
    }

    [Fact]
    public void ALayerThatLooksAtFewRowsKeepsFew()
    {
        using var model = Generation.LoadStories();
        var prompt = Enumerable.Range(0, 300).Select(static i => 5 + i * i % 90).ToArray();
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 32 << 20 };
        var last = long.MaxValue;
        foreach (var threshold in new[] { "0.0001", "0.01", "0.2" })
        {
            var answer = Generation.Run(model, options, prompt, Generation.Greedy(20) with { Attention = PolicyCatalog.Parse($"dbudgetkv:threshold={threshold},min-context=0") });
            var read = answer.Sequence.ReadsByLayer().ToArray().Sum(static layer => layer.RowsRead);
            Assert.InRange(read, 1, last - 1);
            last = read;
        }
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("q8")]
    public void MemoryIsThatOfTheRowsThatAreRead(Kv type)
    {
        using var model = Generation.LoadStories();
        int[] prompt = [.. Enumerable.Range(0, 400).Select(static i => 5 + i * i % 90)];
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = type, KvMemoryBytes = 64 << 20, BatchTokens = 512 });
        var sequence = new Sequence(prompt, Generation.Greedy(4) with { Attention = PolicyCatalog.Parse("dbudgetkv:threshold=0.01,min-context=0") });
        engine.Submit(sequence);
        while (sequence.GeneratedCount < 2)
            engine.Step();
        // Of one step: what stays of the prompt and the row of the first token, of which the memory has whole pages.
        var read = sequence.ReadsByLayer().Sum(layer => (double)layer.RowsRead / layer.RowsInSight * (prompt.Length + 1)) / model.Config.LayerCount;
        Assert.InRange(read, 40, 0.9 * prompt.Length);
        Assert.InRange((double)engine.KvBytesInUse / engine.Plan.KvBytesPerToken, read - 1, read + 32);
    }

    private static void AssertLayer(ObservedHeads heads, int first, int[][] kept, (string Metric, string Order, double Threshold) rule, string what)
    {
        var middle = (First: Math.Min(Sinks, heads.Rows), End: heads.Rows + 1 - Recent);
        if (middle.First >= middle.End)
            middle = (0, 0);
        var (between, scores) = (new int[ObservedHeads.KvHeads][], new double[ObservedHeads.KvHeads][]);
        for (var i = 0; i < between.Length; i++)
        {
            between[i] = [.. kept[first + i].Where(row => row >= middle.First && row < middle.End)];
            Assert.Equal(heads.Rows - (middle.End - middle.First), kept[first + i].Length - between[i].Length);
            Assert.Equal(between[0].Length, between[i].Length);
            scores[i] = Scores(heads, first + i, middle.End, rule.Order);
            AssertBest(scores[i], middle, between[i], $"{what}, {rule.Order}");
        }

        if (middle.First == middle.End)
            return;
        var lost = Lost(heads, first, kept, rule.Metric);
        Assert.True(lost <= rule.Threshold + Near, $"{what}: {lost} of the norm is lost with {between[0].Length} rows");
        if (between[0].Length == 0)
            return;
        // With one less in each head too much would be lost: the worst of those that stay.
        var fewer = kept.ToArray();
        for (var i = 0; i < between.Length; i++)
            fewer[first + i] = [.. kept[first + i].Except([between[i].MinBy(row => scores[i][row])])];
        lost = Lost(heads, first, fewer, rule.Metric);
        Assert.True(lost > rule.Threshold - Near, $"{what}: {lost} of the norm would be lost with {between[0].Length - 1} rows");
    }

    private static void AssertBest(double[] scores, (int First, int End) middle, int[] kept, string what)
    {
        if (kept.Length == 0)
            return;
        var limit = scores[middle.First..middle.End].OrderDescending().ElementAt(kept.Length - 1);
        Assert.All(kept, row => Assert.True(scores[row] >= limit * (1 - 1e-5), $"{what}: row {row} stays"));
    }

    // [rows], from the first on: what decides which stay of those before the end.
    private static double[] Scores(ObservedHeads heads, int head, int end, string order)
    {
        var scores = new double[heads.Rows];
        if (order == "position")
            return [.. Enumerable.Range(0, heads.Rows)];
        foreach (var own in heads.WeightsOf(head).SelectMany(static query => query))
        {
            for (var row = 0; row < scores.Length; row++)
                scores[row] += own[row];
        }

        return order == "h2o" ? scores : [.. Enumerable.Range(0, end).Select(row => scores[Math.Max(row - 2, 0)..Math.Min(row + 3, end)].Sum())];
    }

    // 1 - the sum over query heads of the norm of what stays, by that of all.
    private static double Lost(ObservedHeads heads, int first, int[][] kept, string metric)
    {
        var (left, all) = (0.0, 0.0);
        for (var head = first; head < first + ObservedHeads.KvHeads; head++)
        {
            var queries = metric == "last-token" ? heads.WeightsOf(head)[^1..] : heads.WeightsOf(head);
            for (var own = 0; own < queries[0].Length; own++)
            {
                all += Norm(queries, own, Enumerable.Range(0, heads.Rows));
                left += Norm(queries, own, kept[head]);
            }
        }

        return 1 - left / all;
    }

    private static double Norm(float[][][] queries, int own, IEnumerable<int> rows)
    {
        var sum = 0.0;
        foreach (var row in rows)
        {
            foreach (var query in queries)
                sum += (double)query[own][row] * query[own][row];
        }

        return Math.Sqrt(sum);
    }
}
