using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Dropping;

/// <summary>Neighbours that are alike become one row: sets, means and weights held to the paper's rules in double precision.</summary>
public sealed class KVMergerTest(ITestOutputHelper output)
{
    private const double Near = 1e-6;
    private const int Observed = 12;
    private const int Sinks = 3;
    private const int Recent = 6;

    [Theory]
    [InlineData("f32", 0.75, 5, 1e-5)]
    [InlineData("f32", 0.5, 0.7, 1e-5)]
    [InlineData("bf16", 0.75, 5, 1e-2)]
    [InlineData("int8", 0.6, 1, 5e-2)]
    [InlineData("kivi4", 0.6, 1, 0.5)]
    public void SetsBecomeTheMeansOfThePaper(Kv type, double similarity, double sigma, double tolerance)
    {
        var seed = Random.Shared.Next(1 << 30);
        output.WriteLine($"seed {seed}");
        foreach (var (group, dim, rows) in ((int, int, int)[])[(1, 48, 1), (1, 48, 31), (3, 64, 33), (7, 128, 200), (1, 256, 90), (3, 80, 700)])
        {
            // Where two numbers are too near to each other to tell what floats make of them, others are drawn.
            var isTold = false;
            for (var own = seed; !isTold; own++)
                isTold = TryRule(new Random(own), (group, dim, rows), type, (similarity, sigma, tolerance));
        }
    }

    [Theory]
    [InlineData("bf16")]
    [InlineData("int8")]
    [InlineData("kivi2")]
    public void MemoryIsThatOfTheRowsThatAreLeft(Kv type)
    {
        using var model = Generation.LoadStories();
        int[] prompt = [.. Enumerable.Range(0, 600).Select(static i => 5 + i * i % 90)];
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = type, ContextTokens = 1024, KvMemoryBytes = 64 << 20, BatchTokens = 1024 });
        var sequence = new Sequence(prompt, Generation.Greedy(4) with { Attention = PolicyCatalog.Parse("kvmerger:similarity=0.2,min-context=0") });
        engine.Submit(sequence);
        while (sequence.GeneratedCount < 2)
            engine.Step();
        var read = sequence.ReadsByLayer().Sum(layer => (double)layer.RowsRead / layer.RowsInSight * (prompt.Length + 1)) / model.Config.LayerCount;
        Assert.InRange(read, 100, 0.9 * prompt.Length);
        Assert.InRange((double)engine.KvBytesInUse / engine.Plan.KvBytesPerToken, read - 1, read + 32);
        engine.Verify();
    }

    [Fact]
    public void AnAuditedSequenceReadsWhatItKeeps()
    {
        using var model = Generation.LoadStories();
        int[] prompt = [.. Enumerable.Range(0, 300).Select(static i => 5 + i * i % 90)];
        var options = new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
        var merging = Generation.Greedy(20) with { Attention = PolicyCatalog.Parse("kvmerger:similarity=0.2,min-context=0"), AuditShare = 0.05 };
        Generation.Run(model, options, prompt, merging).AssertEquals(Generation.Run(model, options, prompt, Generation.Greedy(20)), 1e-4, "audited");
    }

    // False where it cannot be told.
    private static bool TryRule(Random random, (int Group, int Dim, int Rows) of, Kv type, (double Similarity, double Sigma, double Tolerance) rule)
    {
        var policy = PolicyCatalog.Parse(FormattableString.Invariant(
            $"kvmerger:similarity={rule.Similarity},sigma={rule.Sigma},heavy=0.1,newest=0.15,observed={Observed},sinks={Sinks},recent={Recent},min-context=0"));
        using var heads = new ObservedHeads(policy, random, (1, of.Group, of.Dim, of.Rows), Observed, (KvFormat)type, likeness: 0.8f);
        for (var head = 0; head < heads.Count; head++)
        {
            var rows = heads.Head(head);
            var (keys, values) = (Rows(rows, rows.Keys), Rows(rows, rows.Values));
            if (Sets(heads, head, keys, rule.Similarity) is not { } sets)
                return false;
            var edit = heads.Edit(head);
            Assert.Equal(of.Rows - sets.Count, edit.DroppedCount);
            if (edit.DroppedCount == 0)
                continue;
            Assert.True(rows.TryEdit(edit));
            Assert.Equal(sets.Count, rows.RowCount);
            var (mergedKeys, mergedValues) = (Rows(rows, rows.Keys), Rows(rows, rows.Values));
            for (var i = 0; i < sets.Count; i++)
            {
                var (pivot, members) = sets[i];
                Assert.Equal(pivot, rows.Position(i));
                Assert.Equal(Math.Log(members.Length), rows.LogWeight(i), 1e-4);
                double[] weights = [.. members.Select(row => Math.Exp(-keys[row].Zip(keys[pivot], static (x, y) => ((double)x - y) * ((double)x - y)).Sum() / (2 * rule.Sigma * rule.Sigma)))];
                AssertMean(members, weights, keys, mergedKeys[i], rule.Tolerance);
                AssertMean(members, weights, values, mergedValues[i], rule.Tolerance);
            }
        }

        return true;
    }

    private static float[][] Rows(KvHead head, PagedRows rows)
    {
        var all = new float[head.RowCount][];
        for (var row = 0; row < all.Length; row++)
            rows.Decode(row, all[row] = new float[rows.Dim]);
        return all;
    }

    private static void AssertMean(int[] members, double[] weights, float[][] rows, float[] actual, double tolerance)
    {
        for (var i = 0; i < actual.Length; i++)
            Assert.Equal(members.Zip(weights, (row, weight) => weight * rows[row][i]).Sum() / weights.Sum(), actual[i], tolerance * (1 + Math.Abs(actual[i])));
    }

    // The rows that stay, each with those that become it; null where rounding may decide.
    private static List<(int Pivot, int[] Members)>? Sets(ObservedHeads heads, int head, float[][] keys, double similarity)
    {
        var count = heads.Rows;
        double[] sums = [.. Enumerable.Range(0, count).Select(row => heads.WeightsOf(head).Sum(query => query.Sum(own => (double)own[row])))];
        var (first, end) = (Math.Min(Sinks, count), Math.Min(count + 1 - Recent, count - (int)Math.Ceiling(0.15f * count)));
        var heavy = (int)Math.Ceiling(0.1f * count);
        bool IsMerged(int row) => row >= first && row < end;
        if (end - first <= heavy)
            return [.. Enumerable.Range(0, count).Select(static row => (row, new[] { row }))];
        int[] ordered = [.. Enumerable.Range(first, end - first).OrderByDescending(row => sums[row])];
        if (IsClose(sums[ordered[heavy - 1]], sums[ordered[heavy]]))
            return null;
        var alone = ordered[..heavy].ToHashSet();
        var sets = new List<(int, int[])>();
        for (var row = 0; row < count;)
        {
            var members = new List<int> { row };
            for (var next = row + 1; IsMerged(row) && IsMerged(next) && !alone.Contains(row) && !alone.Contains(next); next++)
            {
                var cosine = Cosine(keys[next - 1], keys[next]);
                if (Math.Abs(cosine - similarity) < Near)
                    return null;
                if (cosine < similarity)
                    break;
                members.Add(next);
            }

            int[] best = [.. members.OrderByDescending(member => sums[member])];
            if (best.Length > 1 && IsClose(sums[best[0]], sums[best[1]]))
                return null;
            sets.Add((best[0], [.. members]));
            row += members.Count;
        }

        return sets;
    }

    private static bool IsClose(double x, double y) => Math.Abs(x - y) <= Near * x;

    private static double Cosine(float[] x, float[] y) =>
        x.Zip(y, static (a, b) => (double)a * b).Sum() / Math.Sqrt(x.Sum(static a => (double)a * a) * y.Sum(static b => (double)b * b));
}
