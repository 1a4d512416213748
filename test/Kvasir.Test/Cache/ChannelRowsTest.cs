using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

/// <summary>Rows whose pages share a range for each channel, as ALISA stores keys and values (equation 7).</summary>
public sealed class ChannelRowsTest
{
    private const int RowCount = 75;

    public static TheoryData<KvFormat, int> Shapes()
    {
        var data = new TheoryData<KvFormat, int>();
        foreach (var type in (KvFormat[])[KvFormat.Int8, KvFormat.Int8Channel])
        {
            foreach (var dim in (int[])[1, 15, 16, 17, 33, 64, 100, 128])
                data.Add(type, dim);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void AnElementIsOffByHalfAStepOfItsChannel(KvFormat type, int dim)
    {
        var (keys, values) = (Rows(dim, seed: dim), Rows(dim, seed: dim + 1));
        using var cache = new KvCache(type, 1, 1, dim, 4 << 20);
        var head = Filled(cache, keys, values);
        RequireHalfASteps(Decoded(head.Keys), keys, byChannel: true, 0.5);
        RequireHalfASteps(Decoded(head.Values), values, byChannel: type == KvFormat.Int8Channel, 0.5);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void KernelsSeeWhatTheScalarDecoderSees(KvFormat type, int dim)
    {
        var random = new Random(dim);
        using var cache = new KvCache(type, 1, 1, dim, 4 << 20);
        var head = Filled(cache, Rows(dim, seed: dim), Rows(dim, seed: dim + 1));
        var (keys, values) = (Decoded(head.Keys), Decoded(head.Values));
        int[] list = [.. Enumerable.Range(0, 50).Select(_ => random.Next(RowCount))];
        foreach (var queryCount in (int[])[1, 3, 4, 7, 8, 30])
        {
            var queries = TestHead.Normal(random, queryCount * dim);
            var weights = TestHead.Normal(random, queryCount * RowCount);
            foreach (var rows in (int[][])[[.. Enumerable.Range(0, RowCount)], [.. Enumerable.Range(21, 40)], list])
            {
                var set = rows == list ? new RowSet(rows) : new RowSet(rows[0], rows.Length);
                var products = Enumerable.Range(0, queryCount * rows.Length)
                    .Select(i => Terms(dim, d => 0.3 * keys[rows[i % rows.Length]][d] * queries[(i / rows.Length * dim) + d])).ToArray();
                foreach (var variant in AttentionScores.Variants.Where(v => v.IsSupported))
                {
                    var scores = new float[queryCount * RowCount];
                    variant.Run(queries, head.Keys, set, 0.3f, scores, RowCount);
                    for (var i = 0; i < products.Length; i++)
                        Assert.Equal(products[i].Sum, scores[i / rows.Length * RowCount + i % rows.Length], 3e-6 * products[i].Size + 1e-30);
                }

                var means = Enumerable.Range(0, queryCount * dim)
                    .Select(i => Terms(rows.Length, at => (double)values[rows[at]][i % dim] * weights[i / dim * RowCount + at])).ToArray();
                foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
                {
                    var outputs = new float[queryCount * dim];
                    variant.Run(weights, RowCount, head.Values, set, outputs);
                    for (var i = 0; i < outputs.Length; i++)
                        Assert.Equal(means[i].Sum, outputs[i], 3e-6 * means[i].Size + 1e-30);
                }
            }
        }
    }

    [Fact]
    public void AChannelThatNeverChangesIsExactAndANumberThatIsNoneSpoilsOnlyItsOwn()
    {
        var rows = Rows(40, seed: 3);
        for (var row = 0; row < RowCount; row++)
            (rows[row][5], rows[row][6], rows[row][7]) = (0.1f, 0, -3e38f);
        rows[50][8] = float.NaN;
        using var cache = new KvCache(KvFormat.Int8, 1, 1, 40, 4 << 20);
        var seen = Decoded(Filled(cache, rows, rows).Keys);
        for (var row = 0; row < RowCount; row++)
        {
            Assert.Equal((0.1f, 0, -3e38f), (seen[row][5], seen[row][6], seen[row][7]));
            Assert.Equal(row / 32 == 1, float.IsNaN(seen[row][8]));
            Assert.All(seen[row].Where((_, channel) => channel != 8), x => Assert.True(float.IsFinite(x)));
        }
    }

    [Theory]
    [InlineData("int8")]
    [InlineData("int8-channel")]
    public void AnOutlyingChannelDoesNotHarmItsNeighbours(Kv type)
    {
        // As trained keys have them: far from zero, with the spread of all others.
        var rows = Rows(64, seed: 4);
        foreach (var row in rows)
            row[20] += 60;
        var (byChannel, byBlock) = (Error(type, rows), Error(KvFormat.Q8, rows));
        Assert.True(byChannel < byBlock / 20, $"{byChannel} by channel, {byBlock} by block");
    }

    [Theory]
    [InlineData("int8", 1)]
    [InlineData("int8", 31)]
    [InlineData("int8", 32)]
    [InlineData("int8", 45)]
    [InlineData("int8-channel", 45)]
    public void RowsTakenBackAndAppendedAgainAreOffByOneStepAtMost(Kv type, int kept)
    {
        var (keys, values) = (Rows(33, seed: 5), Rows(33, seed: 6));
        using var cache = new KvCache(type, 1, 1, 33, 4 << 20);
        var head = Filled(cache, keys, values);
        var before = Decoded(head.Keys);
        head.Truncate(kept);
        // What was kept is read as it was.
        Assert.Equal(before[..kept], Decoded(head.Keys, kept));
        Assert.True(head.TryReserve(RowCount));
        for (var row = kept; row < RowCount; row++)
            head.Append(keys[row], values[row]);
        RequireHalfASteps(Decoded(head.Keys), keys, byChannel: true, 1);
        RequireHalfASteps(Decoded(head.Keys)[((kept + 31) / 32 * 32)..], keys[((kept + 31) / 32 * 32)..], byChannel: true, 0.5);
        RequireHalfASteps(Decoded(head.Values), values, byChannel: type == KvFormat.Int8Channel, 1);
        // Ranges that do not grow leave codes as they are, however often rows come and go.
        var once = Decoded(head.Keys)[..64];
        for (var time = 0; time < 50; time++)
        {
            head.Truncate(50);
            Assert.True(head.TryReserve(RowCount));
            for (var row = 50; row < RowCount; row++)
                head.Append(keys[row], values[row]);
        }

        Assert.All(Decoded(head.Keys)[32..50].Zip(once[32..50]), pair => RequireNear(pair.First, pair.Second));
    }

    [Fact]
    public void CopiedRowsAreTheSameAndGoOn()
    {
        var (keys, values) = (Rows(20, seed: 7), Rows(20, seed: 8));
        using var cache = new KvCache(KvFormat.Int8Channel, 1, 1, 20, 4 << 20);
        var head = Filled(cache, keys[..50], values[..50]);
        var copy = cache.Open(RowCount).Head(0, 0);
        Assert.True(copy.TryReserve(RowCount));
        copy.CopyRows(head);
        var (seenKeys, seenValues) = (Decoded(head.Keys, 50), Decoded(head.Values, 50));
        // The pages of the source serve somebody else now.
        head.Truncate(0);
        Assert.Equal(seenKeys, Decoded(copy.Keys, 50));
        Assert.Equal(seenValues, Decoded(copy.Values, 50));
        for (var row = 50; row < RowCount; row++)
            copy.Append(keys[row], values[row]);
        RequireHalfASteps(Decoded(copy.Keys), keys, byChannel: true, 1);
    }

    [Theory]
    [InlineData("int8")]
    [InlineData("int8-channel")]
    public void DroppedPagesLeaveTheOthersAsTheyAreAndScatteredRowsAreStoredAnewOnce(Kv type)
    {
        var (keys, values) = (Rows(20, seed: 9), Rows(20, seed: 10));
        using var cache = new KvCache(type, 1, 1, 20, 4 << 20);
        var (head, edit) = (Filled(cache, keys, values), new RowEdit());
        var before = Decoded(head.Keys);
        edit.Begin(RowCount);
        edit.Drop(20, 45);
        Assert.True(head.TryEdit(edit));
        // Of rows 20 to 64 one page goes, the second.
        Assert.Equal([(32, 32)], edit.Drops.ToArray());
        Assert.Equal((RowCount - 32, 64, 2), (head.RowCount, head.Position(32), head.Pages.Length));
        Assert.Equal([.. before[..32], .. before[64..]], Decoded(head.Keys, RowCount - 32));
        // Nothing but scraps of pages: too little to move others for.
        edit.Begin(head.RowCount);
        edit.Drop(2, 27);
        Assert.False(head.TryEdit(edit));
        Assert.Equal(0, edit.DroppedCount);
        head = Filled(cache, keys, values);
        edit.Begin(RowCount);
        int[] kept = [1, 3, 20, 31, 32, 40, 70];
        edit.KeepOnly(kept);
        Assert.True(head.TryEdit(edit));
        Assert.Equal((7, 1), (head.RowCount, head.Pages.Length));
        Assert.True(head.TryReserve(RowCount + 1));
        head.Append(keys[0], values[0]);
        cache.Pool.Verify();
        // Half a step of all 32 rows that shared a range at first, and half a step of these eight.
        RequireHalfASteps(Decoded(head.Keys, 8), [.. kept.Select(row => keys[row]), keys[0]], byChannel: true, 4);
        Assert.Equal([.. kept, RowCount], Enumerable.Range(0, 8).Select(head.Position));
    }

    // Steps may change in their last bits.
    private static (double Sum, double Size) Terms(int count, Func<int, double> term)
    {
        var (sum, size) = (0.0, 0.0);
        for (var i = 0; i < count; i++)
            (sum, size) = (sum + term(i), size + Math.Abs(term(i)));
        return (sum, size);
    }

    private static void RequireNear(float[] seen, float[] expected) =>
        Assert.All(seen.Zip(expected), static pair => Assert.Equal(pair.Second, pair.First, 1e-5f * (1 + MathF.Abs(pair.Second))));

    private static KvHead Filled(KvCache cache, float[][] keys, float[][] values)
    {
        var head = cache.Open(RowCount).Head(0, 0);
        Assert.True(head.TryReserve(RowCount));
        for (var row = 0; row < keys.Length; row++)
            head.Append(keys[row], values[row]);
        return head;
    }

    private static double Error(KvFormat type, float[][] rows)
    {
        using var cache = new KvCache(type, 1, 1, rows[0].Length, 4 << 20);
        var seen = Decoded(Filled(cache, rows, rows).Keys);
        return seen.Zip(rows).Average(static pair => pair.First.Zip(pair.Second, static (x, y) => Math.Pow(x - y, 2)).Average());
    }

    // A page's rows, or one row, share a range; the step of rows that were taken back may have been longer.
    private static void RequireHalfASteps(float[][] seen, float[][] rows, bool byChannel, double steps)
    {
        for (var row = 0; row < rows.Length; row++)
        {
            var page = rows.Skip(row / 32 * 32).Take(32).ToArray();
            for (var i = 0; i < rows[0].Length; i++)
            {
                var range = byChannel ? page.Max(r => r[i]) - page.Min(r => r[i]) : rows[row].Max() - rows[row].Min();
                Assert.Equal(rows[row][i], seen[row][i], (range / 255 * steps * 1.0001) + (1e-6 * Math.Abs(rows[row][i])));
            }
        }
    }

    private static float[][] Decoded(PagedRows rows, int count = RowCount)
    {
        var decoded = new float[(int)Math.Min(count, rows.Capacity)][];
        for (var row = 0; row < decoded.Length; row++)
            rows.Decode(row, decoded[row] = new float[rows.Dim]);
        return decoded;
    }

    // Channels of very different means and spreads.
    private static float[][] Rows(int dim, int seed)
    {
        var random = new Random(seed);
        var (means, spreads) = (TestHead.Normal(random, dim), TestHead.Normal(random, dim));
        return
        [
            .. Enumerable.Range(0, RowCount)
                .Select(_ => TestHead.Normal(random, dim).Select((x, i) => (4 * means[i]) + (x * MathF.Exp(spreads[i]))).ToArray()),
        ];
    }
}
