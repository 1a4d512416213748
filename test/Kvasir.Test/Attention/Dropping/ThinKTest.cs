using Kvasir.Attention;
using Kvasir.Attention.Dropping;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Synthetic;

namespace Kvasir.Test.Attention.Dropping;

/// <summary>Keys lose elements: which, and what attention is then, held to the paper's rule in double precision; and the memory that they took.</summary>
public sealed class ThinKTest(ITestOutputHelper output)
{
    private const int Observed = 8;
    private const int Recent = 6;
    private const int PageRows = 32;

    [Theory]
    [InlineData("f32", 0.4, 2e-5)]
    [InlineData("bf16", 0.6, 2e-5)]
    [InlineData("q8", 0.5, 2e-2)]
    [InlineData("int8", 0.5, 3e-2)]
    [InlineData("kivi4", 0.5, 1e-1)]
    public void AttentionIsByTheElementsThatQueriesUseMost(Kv type, double ratio, double tolerance)
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        foreach (var (group, dim, rows) in ((int, int, int)[])[(1, 48, 1), (1, 48, 31), (3, 64, 33), (3, 64, 39), (7, 128, 200), (1, 256, 90), (3, 80, 700)])
        {
            var random = new Random(seed);
            var policy = (ThinK)PolicyCatalog.Parse(FormattableString.Invariant($"think:ratio={ratio},observed={Observed},recent={Recent},min-context=0"));
            using var heads = new ObservedHeads(policy, random, (1, group, dim, rows), Observed, type, likeness: 0.5f);
            for (var head = 0; head < heads.Count; head++)
                AssertRule(heads, head, policy.Kept(dim, type), (group, dim, tolerance), random);
        }
    }

    [Fact]
    public void BlocksAreFilled()
    {
        // Of 128 elements 77 would stay, and 80 take the memory that 77 do, or 96 where blocks are of 32.
        foreach (var (ratio, dim, kept, wider) in ((double, int, int, int)[])[(0.4, 128, 80, 96), (0.5, 128, 64, 64), (0.4, 64, 48, 39), (0.5, 64, 32, 32), (0.4, 8, 5, 5)])
        {
            var policy = (ThinK)PolicyCatalog.Parse(FormattableString.Invariant($"think:ratio={ratio}"));
            Assert.Equal((kept, wider), (policy.Kept(dim, KvFormat.BF16), policy.Kept(dim, KvFormat.Kivi4)));
        }
    }

    [Theory]
    [InlineData("f32", 0.75)]
    [InlineData("bf16", 0.75)]
    [InlineData("bf16", 0.875, 0.4)]
    [InlineData("q8", 0.76)]
    [InlineData("int8", 0.78)]
    [InlineData("kivi4", 0.78)]
    public void KeysTakeLessMemory(Kv type, double share, double ratio = 0.5)
    {
        // Heads of 64, of which 32 stay, or 48, in the keys of all rows but the newest page's.
        using var model = Model.Synthetic("tiny", SyntheticWeights.BF16, options: TestModels.AsStored);
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = type, KvMemoryBytes = 32 << 20, BatchTokens = 512 });
        int[] prompt = [.. Enumerable.Range(0, 2016).Select(static i => 3 + i * i % 900)];
        var sequence = new Sequence(prompt, Generation.Greedy(40) with { Attention = PolicyCatalog.Parse(FormattableString.Invariant($"think:ratio={ratio},min-context=0")), TopLogprobs = null });
        engine.Submit(sequence);
        while (sequence.GeneratedCount < 2)
            engine.Step();
        var whole = (long)(prompt.Length + PageRows) * engine.Plan.KvBytesPerToken;
        Assert.InRange((double)engine.KvBytesInUse / whole, share - 0.03, share + 0.02);
        Assert.InRange(engine.Memory.PageBytes, engine.KvBytesInUse, engine.KvBytesInUse + (3 << 20));
        while (engine.Step())
            engine.Verify();
        Assert.Null(sequence.Failure);
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void AnAuditedSequenceKeepsItsKeys()
    {
        using var model = Generation.LoadStories();
        int[] prompt = [.. Enumerable.Range(0, 200).Select(static i => 5 + i * i % 90)];
        var options = new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
        var narrow = Generation.Greedy(20) with { Attention = PolicyCatalog.Parse("think:ratio=0.7,min-context=0") };
        var dense = Generation.Run(model, options, prompt, Generation.Greedy(20));
        Generation.Run(model, options, prompt, narrow with { AuditShare = 0.05 }).AssertEquals(dense, 1e-4, "audited");
        Assert.NotEqual(dense.Logprobs, Generation.Run(model, options, prompt, narrow).Logprobs);
    }

    private static void AssertRule(ObservedHeads heads, int head, int kept, (int Group, int Dim, double Tolerance) of, Random random)
    {
        var rows = heads.Head(head);
        var (keys, values) = (Decoded(rows, rows.Keys), Decoded(rows, rows.Values));
        var edit = heads.Edit(head);
        var old = Math.Max(0, heads.Rows + 1 - Recent) / PageRows * PageRows;
        Assert.Equal(old, edit.NarrowedCount);
        if (old == 0)
            return;
        // Of the rows that are no longer new, those of a page that is not full among them.
        double[] scores = [.. Enumerable.Range(0, of.Dim).Select(i => heads.SquareOf(head, i) * Enumerable.Range(0, heads.Rows + 1 - Recent).Sum(row => (double)keys[row][i] * keys[row][i]))];
        var least = scores.OrderDescending().ElementAt(kept - 1);
        Assert.Equal(kept, edit.KeyElements.Length);
        var stay = edit.KeyElements.ToArray().ToHashSet();
        Assert.All(stay, i => Assert.True(scores[i] >= least * (1 - 1e-6)));
        Assert.True(rows.TryEdit(edit));
        Assert.Equal((heads.Rows, false), (rows.RowCount, rows.IsWhole));
        Assert.Equal(0, rows.Position(0));
        foreach (var row in keys[..old])
        {
            for (var i = 0; i < of.Dim; i++)
                row[i] = stay.Contains(i) ? row[i] : 0;
        }

        float[] queries = [.. TestHead.Normal(random, 11 * of.Dim).Select(x => 2 * x / MathF.Sqrt(of.Dim))];
        int[] listed = [.. Enumerable.Range(0, heads.Rows).OrderBy(_ => random.Next()).Take(1 + heads.Rows / 2)];
        AssertRows(rows, queries, new RowSet(0, heads.Rows), (keys, values), of);
        AssertRows(rows, queries, new RowSet(old / 2, heads.Rows - old / 2), (keys, values), of);
        AssertRows(rows, queries, new RowSet(listed), (keys, values), of);
    }

    // Scores, and sums of values weighted by them.
    private static void AssertRows(KvHead head, float[] queries, RowSet rows, (float[][] Keys, float[][] Values) stored, (int Group, int Dim, double Tolerance) of)
    {
        var (count, stride) = (queries.Length / of.Dim, rows.Count + 3);
        var (scores, outputs) = (new float[count * stride], new float[count * of.Dim]);
        head.Score(queries, rows, scores, stride);
        for (var query = 0; query < count; query++)
        {
            for (var i = 0; i < rows.Count; i++)
            {
                var (expected, key) = (0.0, stored.Keys[rows[i]]);
                for (var e = 0; e < of.Dim; e++)
                    expected += (double)queries[query * of.Dim + e] * key[e];
                Assert.Equal(expected, scores[query * stride + i], of.Tolerance * 3);
                scores[query * stride + i] = 1f / rows.Count;
            }
        }

        head.AddValues(scores, stride, rows, outputs);
        for (var i = 0; i < of.Dim; i++)
        {
            var expected = 0.0;
            for (var row = 0; row < rows.Count; row++)
                expected += (double)stored.Values[rows[row]][i] / rows.Count;
            Assert.Equal(expected, outputs[(count - 1) * of.Dim + i], of.Tolerance * 3);
        }
    }

    private static float[][] Decoded(KvHead head, PagedRows rows)
    {
        var all = new float[head.RowCount][];
        for (var row = 0; row < all.Length; row++)
            rows.Decode(row, all[row] = new float[rows.Dim]);
        return all;
    }
}
