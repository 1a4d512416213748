using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Cache;

/// <summary>Heads of two sizes in pages of one: where their rows lie, and that none is another's.</summary>
public sealed class KvPlacesTest
{
    private static readonly string[] Formats = ["f32", "bf16", "int8", "kivi4"];

    // One layer sees all; the other has heads of another size.
    private static AttentionShape ShapeOf(int full, int fullDim, int windowed, int windowDim) =>
        new AttentionShape(2, full * windowed, full, fullDim, 50) { FullLayers = [true, false] }.With(new HeadSizes(windowed, windowDim));

    [Theory]
    [InlineData(1, 512, 8, 256, 2, 5)]
    [InlineData(2, 512, 8, 256, 2, 6)]
    [InlineData(4, 512, 16, 256, 2, 12)]
    [InlineData(1, 128, 3, 32, 3, 2)]
    [InlineData(1, 96, 5, 64, 1, 6)]
    [InlineData(2, 32, 4, 128, 1, 6)]
    public void PagesAreAsLargeAsThoseOfAHeadThatSeesAll(int full, int fullDim, int windowed, int windowDim, int inPage, int lists)
    {
        foreach (var format in Formats)
        {
            var shape = ShapeOf(full, fullDim, windowed, windowDim);
            var places = new KvPlaces(shape, new Kv(format));
            Assert.True((inPage, lists) == (places.HeadsInPage, places.ListCount), $"{format}: {places.HeadsInPage} heads in a page, {places.ListCount} lists");
            KvFormat kv = new Kv(format);
            var most = Math.Max(kv.Page(fullDim, 32).Bytes, kv.Page(windowDim, 32).Bytes);
            Assert.InRange(places.Layout.Bytes, most, most * 9 / 8);
            Assert.Equal(full, places.ListsAt(0));
            Assert.Equal(lists - full, places.ListsAt(1));
        }
    }

    // As a sequence grows, is cut off and grows again, beside another whose rows are nobody's.
    [Fact]
    public void RowsAreThoseOfHeadsWithPagesOfTheirOwn()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        foreach (var format in Formats)
        {
            var (full, windowed, dim) = (random.Next(1, 4), random.Next(1, 8), 2 * random.Next(1, 49));
            var shape = ShapeOf(full, 96, windowed, dim);
            using var shared = new KvCache(new Kv(format), shape, new MemoryBudget(16 << 20)) { StepRows = 64 };
            using var other = new KvCache(new Kv(format), 1, windowed, dim, 16 << 20);
            var (together, apart) = (shared.Open(400), other.Open(400));
            foreach (var rows in (int[])[1, 40, 97, 64, 200, 130, 301])
            {
                together.Truncate(rows);
                apart.Truncate(rows);
                Assert.True(together.TryReserve(rows) && apart.TryReserve(rows));
                for (var head = 0; head < windowed; head++)
                {
                    for (var row = apart.Head(0, head).RowCount; row < rows; row++)
                    {
                        var (key, value) = (Numbers(random, dim), Numbers(random, dim));
                        together.Head(1, head).Append(key, value);
                        apart.Head(0, head).Append(key, value);
                    }
                }

                for (var head = 0; head < full; head++)
                {
                    while (together.Head(0, head).RowCount < rows)
                        together.Head(0, head).Append(Numbers(random, 96), Numbers(random, 96));
                }

                for (var head = 0; head < windowed; head++)
                    AssertSame(apart.Head(0, head), together.Head(1, head), $"{format}, {windowed} heads of {dim}, {rows} rows, seed {seed}");
            }

            together.Truncate(0);
            Assert.Equal(0, shared.Pool.PagesInUse);
            shared.Pool.Verify();
        }
    }

    private static void AssertSame(KvHead expected, KvHead actual, string what)
    {
        Assert.True(expected.RowCount == actual.RowCount, what);
        var (a, b) = (new float[expected.Dim], new float[expected.Dim]);
        for (var row = 0; row < expected.RowCount; row++)
        {
            expected.Keys.Decode(row, a);
            actual.Keys.Decode(row, b);
            Assert.True(a.AsSpan().SequenceEqual(b), $"{what}: key {row}");
            expected.Values.Decode(row, a);
            actual.Values.Decode(row, b);
            Assert.True(a.AsSpan().SequenceEqual(b), $"{what}: value {row}");
        }
    }

    private static float[] Numbers(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
}
