using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

/// <summary>KIVI (arXiv 2402.02750): keys by channel and values by token, in groups of 32, and a residual of 128 rows in bf16.</summary>
public sealed class KiviRowsTest
{
    private const int Residual = 128;
    private const int Group = 32;
    private const float Scale = 0.3f;

    public static TheoryData<KvFormat, int, int> Shapes()
    {
        var data = new TheoryData<KvFormat, int, int>();
        foreach (var format in (KvFormat[])[KvFormat.Kivi2, KvFormat.Kivi4])
        {
            foreach (var (dim, rows) in ((int, int)[])[(1, 300), (15, 129), (33, 161), (48, 31), (64, 290), (100, 33), (128, 259)])
                data.Add(format, dim, rows);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void OldElementsAreOffByHalfAStepOfTheirGroupAndTheNewestRowsAreBf16(KvFormat format, int dim, int rowCount)
    {
        var (keys, values) = (Rows(dim, rowCount, seed: dim), Rows(dim, rowCount, seed: dim + 1));
        using var cache = new KvCache(format, 1, 1, dim, 4 << 20);
        var head = Filled(cache, keys, values);
        var steps = format == KvFormat.Kivi2 ? 3 : 15;
        for (var row = 0; row < rowCount; row++)
        {
            var (key, value) = (Decoded(head.Keys, row), Decoded(head.Values, row));
            for (var d = 0; d < dim; d++)
            {
                if (row >= rowCount - Residual)
                {
                    Assert.Equal(Bf16(keys[row][d]), key[d]);
                    Assert.Equal(Bf16(values[row][d]), value[d]);
                    continue;
                }

                // The groups of the paper; the ends of a range are bf16 numbers, outward.
                var page = row / Group * Group;
                var channel = keys[page..Math.Min(rowCount, page + Group)].Select(x => (double)x[d]).ToArray();
                var block = values[row][(d / Group * Group)..Math.Min(dim, (d / Group * Group) + Group)].Select(x => (double)x).ToArray();
                Assert.Equal(keys[row][d], key[d], HalfStep(channel, steps));
                Assert.Equal(values[row][d], value[d], HalfStep(block, steps));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void KernelsScoreAndSumWhatTheDecoderSees(KvFormat format, int dim, int rowCount)
    {
        var random = new Random(dim);
        using var cache = new KvCache(format, 1, 1, dim, 4 << 20);
        var head = Filled(cache, Rows(dim, rowCount, seed: dim), Rows(dim, rowCount, seed: dim + 1));
        int[] scattered = [.. Enumerable.Range(0, 50).Select(_ => random.Next(rowCount))];
        int[] runs = [.. Enumerable.Range(0, rowCount).Where(static row => row % 24 < 13)];
        foreach (var queryCount in (int[])[1, 3, 7, 30])
        {
            var queries = TestHead.Normal(random, queryCount * dim);
            foreach (var rows in (int[][])[[.. Enumerable.Range(0, rowCount)], [.. Enumerable.Range(rowCount / 3, (rowCount + 1) / 2)], runs, scattered])
            {
                var isRange = rows.Length > 1 && rows != runs && rows != scattered;
                RequireScores(head.Keys, isRange, rows, queries, queryCount);
                RequireSums(head.Values, isRange, rows, TestHead.Normal(random, queryCount * rows.Length), queryCount);
            }
        }
    }

    [Fact]
    public void RowsThatAreTakenBackAndComeAgainAreAsIfTheyHadComeOnce()
    {
        var (keys, values) = (Rows(40, 200, seed: 1), Rows(40, 200, seed: 2));
        using var cache = new KvCache(KvFormat.Kivi2, 1, 1, 40, 4 << 20);
        var (head, expected) = (Filled(cache, keys, values), Filled(cache, keys, values));
        // As many as guesses may be: those before them are still kept.
        foreach (var count in (int[])[1, 7, 15, 40])
        {
            head.Truncate(200 - count);
            Assert.True(head.TryReserve(200));
            for (var row = 200 - count; row < 200; row++)
                head.Append(keys[row], values[row]);
            for (var row = 200 - Residual + count; row < 200; row++)
                Assert.Equal(Decoded(expected.Keys, row), Decoded(head.Keys, row));
        }

        // Rows that no page has any more as they came are read back from it.
        head.Truncate(50);
        Assert.True(head.TryReserve(60));
        for (var row = 50; row < 60; row++)
            head.Append(keys[row], values[row]);
        Assert.Equal([.. keys[55].Select(Bf16)], Decoded(head.Keys, 55));
        Assert.Equal(keys[40][3], Decoded(head.Keys, 40)[3], 2 * HalfStep([.. keys[32..64].Select(x => (double)x[3])], 3));
    }

    // Whole pages, which only move, and every second row, so that the others are stored anew.
    [Theory]
    [InlineData(0, 64, 1)]
    [InlineData(32, 96, 1)]
    [InlineData(160, 32, 1)]
    [InlineData(3, 280, 2)]
    public void RowsThatStayAreReadAsBeforeWhenOthersGo(int first, int count, int step)
    {
        const int Count = 290;
        var (keys, values) = (Rows(33, Count, seed: 3), Rows(33, Count, seed: 4));
        using var cache = new KvCache(KvFormat.Kivi4, 1, 1, 33, 4 << 20);
        var head = Filled(cache, keys, values);
        var edit = new RowEdit();
        edit.Begin(Count);
        for (var row = first; row < first + count; row += step)
            edit.Drop(row, 1);
        if (step > 1)
            edit.Drop(first + count, 6);
        int[] kept = [.. Enumerable.Range(0, Count).Where(edit.Keeps)];
        Assert.True(head.TryEdit(edit));
        Assert.Equal(kept.Length, head.RowCount);
        for (var row = 0; row < kept.Length; row++)
        {
            var (key, value) = (Decoded(head.Keys, row), Decoded(head.Values, row));
            for (var d = 0; d < 33; d++)
            {
                Assert.Equal(keys[kept[row]][d], key[d], 0.4f);
                Assert.Equal(values[kept[row]][d], value[d], 0.9f);
            }

            if (kept[row] < Count - Residual || (step == 1 && kept[row] < first))
                continue;
            Assert.Equal([.. keys[kept[row]].Select(Bf16)], key);
            Assert.Equal([.. values[kept[row]].Select(Bf16)], value);
        }
    }

    [Fact]
    public void APromptTakesAFifthOrAThirdOfBf16()
    {
        foreach (var (format, most) in ((KvFormat, double)[])[(KvFormat.Kivi2, 0.192), (KvFormat.Kivi4, 0.317)])
            Assert.InRange(Bytes(format) / (double)Bytes(KvFormat.BF16), most - 0.005, most);

        // 32k rows of a layer of an 8B model: pages and what is kept beside them.
        static long Bytes(KvFormat format)
        {
            using var cache = new KvCache(format, 1, 8, 128, 1L << 30);
            var sequence = cache.Open(32768);
            Assert.True(sequence.TryReserve(32768));
            return (cache.Pool.PagesInUse * (long)cache.Pool.PageBytes) + cache.OpenPageBytes;
        }
    }

    private static void RequireScores(PagedRows keys, bool isRange, int[] rows, float[] queries, int queryCount)
    {
        var dim = keys.Dim;
        foreach (var variant in AttentionScores.Variants.Where(v => v.IsSupported))
        {
            var scores = new float[queryCount * rows.Length];
            variant.Run(queries, keys, isRange ? new RowSet(rows[0], rows.Length) : new RowSet(rows), Scale, scores, rows.Length);
            for (var i = 0; i < rows.Length; i++)
            {
                var row = Decoded(keys, rows[i]);
                for (var q = 0; q < queryCount; q++)
                {
                    var (sum, size) = (0.0, 0.0);
                    for (var d = 0; d < dim; d++)
                        (sum, size) = (sum + ((double)Scale * queries[(q * dim) + d] * row[d]), size + (25 * Math.Abs(Scale * queries[(q * dim) + d])));
                    Assert.Equal(sum, scores[(q * rows.Length) + i], 3e-6 * size);
                }
            }
        }
    }

    private static void RequireSums(PagedRows values, bool isRange, int[] rows, float[] weights, int queryCount)
    {
        var dim = values.Dim;
        foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
        {
            var outputs = new float[queryCount * dim];
            variant.Run(weights, rows.Length, values, isRange ? new RowSet(rows[0], rows.Length) : new RowSet(rows), outputs);
            var sums = new double[queryCount * dim];
            var sizes = new double[queryCount];
            for (var i = 0; i < rows.Length; i++)
            {
                var row = Decoded(values, rows[i]);
                for (var q = 0; q < queryCount; q++)
                {
                    sizes[q] += 25 * Math.Abs(weights[(q * rows.Length) + i]);
                    for (var d = 0; d < dim; d++)
                        sums[(q * dim) + d] += (double)weights[(q * rows.Length) + i] * row[d];
                }
            }

            for (var i = 0; i < sums.Length; i++)
                Assert.Equal(sums[i], outputs[i], 3e-6 * sizes[i / dim]);
        }
    }

    private static double HalfStep(double[] group, int steps)
    {
        var (least, most) = (group.Min(), group.Max());
        return ((most - least + (Math.Abs(least) / 64)) * (1 + (1.0 / 64)) / (2 * steps)) + (Math.Max(Math.Abs(least), Math.Abs(most)) / 256);
    }

    private static KvHead Filled(KvCache cache, float[][] keys, float[][] values)
    {
        var sequence = cache.Open(keys.Length);
        Assert.True(sequence.TryReserve(keys.Length));
        for (var row = 0; row < keys.Length; row++)
            sequence.Head(0, 0).Append(keys[row], values[row]);
        return sequence.Head(0, 0);
    }

    private static float[] Decoded(PagedRows rows, int row)
    {
        var elements = new float[rows.Dim];
        rows.Decode(row, elements);
        return elements;
    }

    private static float Bf16(float value)
    {
        var stored = new byte[RowCodec.BF16.RowBytes(1)];
        var seen = new float[1];
        RowCodec.BF16.Encode([value], stored);
        RowCodec.BF16.Decode(stored, seen);
        return seen[0];
    }

    // Channels of means of their own, one of them far off, as keys have them.
    private static float[][] Rows(int dim, int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => TestHead.Normal(random, dim).Select((x, d) => d == 2 ? x + 9 : x + (0.1f * (d % 5))).ToArray())];
    }
}
