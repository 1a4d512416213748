using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

/// <summary>QuantSpec (arXiv 2502.10424): two planes of 4 bits, of which the upper is KIVI's, and newest rows in two halves that are rounded one at a time.</summary>
public sealed class QuantSpecRowsTest
{
    private const int Half = 128;

    [Theory]
    [InlineData(1, 300)]
    [InlineData(33, 131)]
    [InlineData(48, 31)]
    [InlineData(64, 410)]
    [InlineData(100, 257)]
    public void TheUpperPlaneIsKivisAndBothTogetherAreOffByASixteenthOfThat(int dim, int rowCount)
    {
        var (keys, values) = (Rows(dim, rowCount, seed: dim), Rows(dim, rowCount, seed: dim + 1));
        using var cache = new KvCache(KvFormat.QuantSpec, 1, 1, dim, 4 << 20);
        using var coarse = new KvCache(KvFormat.Kivi4, 1, 1, dim, 4 << 20);
        var (head, kivi) = (Filled(cache, keys, values, rowCount), Filled(coarse, keys, values, rowCount));
        var newest = Math.Max(0, (rowCount / Half * Half) - Half);
        for (var row = 0; row < rowCount; row++)
        {
            if (row >= newest)
            {
                Assert.Equal(Array.ConvertAll(keys[row], Bf16), Decoded(head.Keys, row));
                Assert.Equal(Array.ConvertAll(values[row], Bf16), Decoded(head.Values, row));
                continue;
            }

            RequireFiner(keys[row], Decoded(kivi.Keys, row), Decoded(head.Keys, row), Decoded(CoarseKeys(head), row));
            RequireFiner(values[row], Decoded(kivi.Values, row), Decoded(head.Values, row), Decoded(CoarseValues(head), row));
        }
    }

    [Theory]
    [InlineData(33, 1)]
    [InlineData(64, 4)]
    [InlineData(128, 7)]
    public void TheUpperPlaneIsScoredAndSummedWhereItLies(int dim, int group)
    {
        const int Count = 333;
        var random = new Random(dim);
        var (keys, values) = (Rows(dim, Count, seed: 1), Rows(dim, Count, seed: 2));
        using var cache = new KvCache(KvFormat.QuantSpec, 1, 1, dim, 4 << 20);
        var head = Filled(cache, keys, values, Count);
        var (queries, weights) = (TestHead.Normal(random, group * dim), Array.ConvertAll(TestHead.Normal(random, group * Count), Math.Abs));
        var scores = new float[group * Count];
        AttentionScores.Rows(queries, CoarseKeys(head), new RowSet(0, Count), 1, scores, Count);
        for (var i = 0; i < scores.Length; i++)
        {
            var key = Decoded(CoarseKeys(head), i % Count);
            Assert.Equal(Enumerable.Range(0, dim).Sum(d => (double)queries[(i / Count * dim) + d] * key[d]), scores[i], 5e-4 * dim);
        }

        var outputs = new float[group * dim];
        AttentionValues.Rows(weights, Count, CoarseValues(head), new RowSet(0, Count), outputs);
        for (var i = 0; i < outputs.Length; i++)
            Assert.Equal(
                Enumerable.Range(0, Count).Sum(row => (double)weights[(i / dim * Count) + row] * Decoded(CoarseValues(head), row)[i % dim]), outputs[i], 2e-2);
    }

    // Guesses come and go within a half: then all rows are read as if there had been none, bit for bit.
    [Theory]
    [InlineData(130, 125)]
    [InlineData(260, 16)]
    [InlineData(383, 1)]
    [InlineData(384, 16)]
    public void RowsThatAreTakenBackWithinAHalfChangeNothing(int count, int guesses)
    {
        Assert.True((count % Half) + guesses <= Half || guesses == 1);
        var (keys, values) = (Rows(40, 520, seed: 3), Rows(40, 520, seed: 4));
        using var cache = new KvCache(KvFormat.QuantSpec, 1, 1, 40, 4 << 20);
        var (head, expected) = (Filled(cache, keys, values, count), Filled(cache, keys, values, count));
        var wrong = Rows(40, guesses, seed: 5);
        Assert.True(head.TryReserve(520) && expected.TryReserve(520));
        for (var round = 0; round < 2; round++)
        {
            foreach (var row in wrong)
                head.Append(row, row);
            head.Truncate(count);
            Assert.True(head.TryReserve(520));
            RequireEqual(expected, head);
        }

        for (var row = count; row < 520; row++)
        {
            head.Append(keys[row], values[row]);
            expected.Append(keys[row], values[row]);
        }

        RequireEqual(expected, head);
    }

    [Fact]
    public void APromptTakesNineSixteenthsOfBf16AndADraftReadsHalfOfThat()
    {
        var page = KvFormat.QuantSpec.Page(128, 32);
        Assert.Equal(0.5625, page.Bytes / (double)KvFormat.BF16.Page(128, 32).Bytes);
        Assert.Equal(KvFormat.Kivi4.Page(128, 32).Bytes, page.Bytes - (2 * 32 * 64));
    }

    private static void RequireEqual(KvHead expected, KvHead actual)
    {
        Assert.Equal(expected.RowCount, actual.RowCount);
        for (var row = 0; row < expected.RowCount; row++)
        {
            Assert.Equal(Decoded(expected.Keys, row), Decoded(actual.Keys, row));
            Assert.Equal(Decoded(expected.Values, row), Decoded(actual.Values, row));
            Assert.Equal(Decoded(CoarseKeys(expected), row), Decoded(CoarseKeys(actual), row));
        }
    }

    // The step is what two codes of KIVI are apart; its codes are the upper plane, but where an element lies just between two.
    private static void RequireFiner(float[] elements, float[] kivi, float[] fine, float[] coarse)
    {
        for (var d = 0; d < elements.Length; d++)
        {
            var largest = Math.Max(1, elements.Max(Math.Abs));
            Assert.True(kivi[d] == coarse[d] || Math.Abs(Math.Abs(elements[d] - kivi[d]) - Math.Abs(elements[d] - coarse[d])) < largest / 64);
            // A step is at most a 15th of the range, of ends that are rounded outward; what bf16 loses of a key comes on top.
            Assert.Equal(elements[d], fine[d], (2 * 5.5 * 1.03 / 15 / 32) + (largest / 256));
            Assert.True(Math.Abs(elements[d] - fine[d]) <= (Math.Abs(fine[d] - coarse[d]) / 15) + (2 * 5.5 / 15 / 32) + (largest / 200));
        }
    }

    private static PagedRows CoarseKeys(KvHead head)
    {
        head.IsCoarse = true;
        var keys = head.Keys;
        head.IsCoarse = false;
        return keys;
    }

    private static PagedRows CoarseValues(KvHead head)
    {
        head.IsCoarse = true;
        var values = head.Values;
        head.IsCoarse = false;
        return values;
    }

    private static float[][] Rows(int dim, int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => TestHead.Normal(random, dim))];
    }

    private static KvHead Filled(KvCache cache, float[][] keys, float[][] values, int count)
    {
        var sequence = cache.Open(keys.Length);
        Assert.True(sequence.TryReserve(count));
        for (var row = 0; row < count; row++)
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
}
