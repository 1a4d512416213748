using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Attention.Heads;

/// <summary>Attention to a head of which rows were dropped or merged: what is sought by position is found, and what is gone has no part in it.</summary>
public sealed class EditedHeadTest : IDisposable
{
    private const int Dim = 32;
    private const int Group = 3;
    private const int RowCount = 300;
    private readonly AttentionScratch _scratch = new(new AttentionShape(1, Group, 1, Dim, null), KvFormat.F32, RowCount);
    private readonly RowEdit _edit = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("f32", 1, 1e-5)]
    [InlineData("f32", 2, 1e-5)]
    [InlineData("bf16", 3, 1e-5)]
    [InlineData("q8", 4, 1e-3)]
    [InlineData("int8", 7, 1e-2)]
    [InlineData("kivi4", 8, 1e-2)]
    public void AttentionIsOverTheRowsThatStayAsHeavyAsTheyAre(Kv type, int seed, double tolerance)
    {
        var random = new Random(seed);
        using var cache = new KvCache(type, 1, 1, Dim, 4 << 20);
        var head = Filled(cache, random, RowCount);
        for (var time = 0; time < 3; time++)
        {
            int[] kept = [.. Enumerable.Range(0, head.RowCount).Where(_ => random.Next(4) > 0)];
            var gone = Enumerable.Range(0, head.RowCount).Except(kept).ToArray();
            _edit.Begin(head.RowCount);
            _edit.KeepOnly(kept);
            for (var i = 0; i < 5; i++)
                _edit.Merge(gone[i], kept[random.Next(kept.Length)], 0.3f);
            Assert.True(head.TryEdit(_edit));
            var queries = Normal(random, Group * Dim);
            foreach (var (first, end) in ((int, int)[])[(0, RowCount), (100, RowCount), (37, 250)])
            {
                var expected = Reference(head, queries, row => head.Position(row) >= first && head.Position(row) < end);
                AssertNear(expected, Attend(head, AllRows.Instance, queries, (first, end)), tolerance);
            }
        }
    }

    [Fact]
    public void TwinsThatAreMergedWeighAsMuchAsBoth()
    {
        var random = new Random(5);
        using var cache = new KvCache(KvFormat.F32, 1, 1, Dim, 4 << 20);
        var head = Filled(cache, random, 40);
        var twin = new float[Dim];
        head.Keys.Decode(7, twin);
        Assert.True(head.TryReserve(43));
        foreach (var _ in (int[])[1, 2, 3])
            head.Append(twin, Normal(random, Dim));
        var queries = Normal(random, Group * Dim);
        var before = Attend(head, AllRows.Instance, queries, (0, 43));
        // Two pairs, and then these: each mean counts its rows alike.
        foreach (var (row, target) in ((int, int)[])[(40, 7), (41, 40), (40, 7)])
        {
            _edit.Begin(head.RowCount);
            _edit.Drop(row, 1);
            _edit.Merge(row, target, 0.5f);
            Assert.True(head.TryEdit(_edit));
        }

        Assert.Equal(MathF.Log(4), head.LogWeight(7), 1e-6f);
        AssertNear(before, Attend(head, AllRows.Instance, queries, (0, 43)), 1e-5);
    }

    [Fact]
    public void PositionsTakeMemoryForTheRowsThatStay()
    {
        using var cache = new KvCache(KvFormat.F32, 1, 1, Dim, 4 << 20);
        var head = cache.Open(4000).Head(0, 0);
        Assert.True(head.TryReserve(4000));
        for (var row = 0; row < 3000; row++)
            head.Append(new float[Dim], new float[Dim]);
        Assert.Equal(0, head.PositionBytes);
        _edit.Begin(3000);
        _edit.Drop(100, 2000);
        Assert.True(head.TryEdit(_edit));
        Assert.Equal(4 * 1024, head.PositionBytes);
        _edit.Begin(1000);
        _edit.Drop(300, 700);
        _edit.Merge(900, 5, 0.5f);
        Assert.True(head.TryEdit(_edit));
        Assert.InRange(head.PositionBytes, 4 * 1024, 8 * 1024);
        Assert.Equal((MathF.Log(2), 0, 2150), (head.LogWeight(5), head.LogWeight(299), head.Position(150)));
    }

    [Fact]
    public void ZonesAreOfPositions()
    {
        var random = new Random(6);
        using var cache = new KvCache(KvFormat.F32, 1, 1, Dim, 4 << 20);
        var head = Filled(cache, random, RowCount);
        var queries = Normal(random, Group * Dim);
        var place = new HeadPlace(0, 1, 0, Group, Dim, RowCount);
        using var streaming = PolicyCatalog.Parse("streaming:sinks=3,recent=20,min-context=100").CreateSelector(place);
        var before = Attend(head, streaming, queries, (0, RowCount));
        var early = Attend(head, streaming, queries, (0, 90));
        _edit.Begin(RowCount);
        _edit.Drop(95, 150);
        Assert.True(head.TryEdit(_edit));
        // Fewer rows than a context that is read densely are there, but as many positions as before.
        Assert.Equal(before, Attend(head, streaming, queries, (0, RowCount)));
        Assert.Equal(early, Attend(head, streaming, queries, (0, 90)));
        _edit.Begin(head.RowCount);
        _edit.Drop(3, head.RowCount - 23);
        Assert.True(head.TryEdit(_edit));
        Assert.Equal(23, head.RowCount);
        Assert.Equal(before, Attend(head, streaming, queries, (0, RowCount)));
    }

    private float[] Attend(KvHead head, Selector selector, float[] queries, (int First, int End) visible)
    {
        var counts = default(SelectionCounts);
        return new AttentionHead(head, selector).Attend(queries, visible, default, _scratch, ref counts).Output.ToArray();
    }

    private static KvHead Filled(KvCache cache, Random random, int rowCount)
    {
        var head = cache.Open(RowCount + 10).Head(0, 0);
        Assert.True(head.TryReserve(rowCount));
        for (var row = 0; row < rowCount; row++)
            head.Append(Normal(random, Dim), Normal(random, Dim));
        return head;
    }

    // Softmax of products and log-weights, in double precision, over what is stored.
    private static float[] Reference(KvHead head, float[] queries, Func<int, bool> sees)
    {
        var (key, value, outputs) = (new float[Dim], new float[Dim], new float[Group * Dim]);
        for (var query = 0; query < Group; query++)
        {
            var (mass, sums) = (0.0, new double[Dim]);
            for (var row = 0; row < head.RowCount; row++)
            {
                if (!sees(row))
                    continue;
                head.Keys.Decode(row, key);
                head.Values.Decode(row, value);
                var score = (double)head.LogWeight(row);
                for (var i = 0; i < Dim; i++)
                    score += (double)key[i] * queries[query * Dim + i];
                var weight = Math.Exp(score);
                mass += weight;
                for (var i = 0; i < Dim; i++)
                    sums[i] += weight * value[i];
            }

            for (var i = 0; i < Dim; i++)
                outputs[query * Dim + i] = (float)(sums[i] / mass);
        }

        return outputs;
    }

    private static void AssertNear(float[] expected, float[] actual, double tolerance)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], tolerance * (1 + Math.Abs(expected[i])));
    }

    private static float[] Normal(Random random, int count)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = 0.5f * MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        return values;
    }
}
