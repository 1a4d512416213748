using System.Numerics;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Test.Kernels.Sampling;

public sealed class SignScanTest
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(2, 6, 3)]
    [InlineData(3, 16, 4)]
    [InlineData(5, 7, 7)]
    [InlineData(2, 32, 5)]
    [InlineData(4, 31, 1)]
    [InlineData(1, 16, 8)]
    public void EveryVariantCountsTheSignsThatDiffer(int groups, int byteCount, int heads)
    {
        var seed = 100 * groups + byteCount;
        var random = new Random(seed);
        var (rows, stride) = (groups * SignScan.GroupRows, groups * SignScan.GroupRows + 5);
        var (codes, queries, signs) = (new byte[rows * byteCount], new byte[heads * byteCount], new byte[rows, byteCount]);
        random.NextBytes(queries);
        for (var row = 0; row < rows; row++)
        {
            // Some rows are a query, some its opposite: of 256 elements 256 differ, which no byte holds.
            var own = new byte[byteCount];
            random.NextBytes(own);
            for (var i = 0; i < byteCount; i++)
                signs[row, i] = own[i] = row % 5 == 0 ? queries[i] : row % 5 == 1 ? (byte)~queries[i] : own[i];
            SignScan.Store(codes.AsSpan(row / 64 * 64 * byteCount, 64 * byteCount), row % 64, own);
        }

        foreach (var variant in SignScan.Variants.Where(static variant => variant.IsSupported))
        {
            var scores = new byte[heads * stride];
            variant.Run(codes, queries, byteCount, scores, stride);
            for (var head = 0; head < heads; head++)
            {
                for (var row = 0; row < rows; row++)
                {
                    var differ = Enumerable.Range(0, byteCount).Sum(i => BitOperations.PopCount((uint)(signs[row, i] ^ queries[head * byteCount + i])));
                    Assert.True(Math.Max(0, 255 - differ) == scores[head * stride + row], $"{variant.Name}, seed {seed}, head {head}, row {row}: {scores[head * stride + row]}");
                }
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(48)]
    [InlineData(131)]
    public void EveryVariantPacksTheSameSigns(int count)
    {
        var random = new Random(count);
        var values = Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f).ToArray();
        float[] odd = [0f, -0f, float.NaN, float.NegativeInfinity, float.PositiveInfinity, -float.Epsilon];
        for (var i = 0; i < Math.Min(count, odd.Length); i++)
            values[(i * 5) % count] = odd[i];
        foreach (var variant in SignScan.BytesVariants.Where(static variant => variant.IsSupported))
        {
            var signs = Enumerable.Repeat((byte)0xA5, SignScan.RowBytes(count)).ToArray();
            variant.Run(values, signs);
            for (var i = 0; i < 8 * signs.Length; i++)
                Assert.True((i < count && values[i] < 0) == ((signs[i / 8] >> (i % 8) & 1) == 1), $"{variant.Name}, seed {count}, element {i}");
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(1000)]
    public void ScoresAreCountedFromALimitOn(int count)
    {
        var scores = new byte[count];
        new Random(count).NextBytes(scores);
        foreach (var least in new byte[] { 0, 1, 100, 128, 254, 255 })
            Assert.Equal(scores.Count(score => score >= least), SignScan.CountFrom(scores, least));
    }

    [Fact]
    public void RowsAreCopiedWithinAGroupAndBetweenGroups()
    {
        const int Bytes = 3;
        var (from, to) = (new byte[64 * Bytes], new byte[64 * Bytes]);
        new Random(1).NextBytes(from);
        SignScan.Copy(from, 5, to, 60, 4);
        for (var i = 0; i < Bytes; i++)
            Assert.Equal(from.AsSpan(i * 64 + 5, 4).ToArray(), to.AsSpan(i * 64 + 60, 4).ToArray());
        Assert.All(Enumerable.Range(0, to.Length).Where(static i => i % 64 < 60), i => Assert.Equal(0, to[i]));
    }

    [Fact]
    public void WrongLengthsAreRefused()
    {
        Assert.Throws<ArgumentException>(static () => SignScan.Scan(new byte[65], new byte[1], 1, new byte[64], 64));
        Assert.Throws<ArgumentException>(static () => SignScan.Scan(new byte[128], new byte[2], 2, new byte[63], 64));
        Assert.Throws<ArgumentOutOfRangeException>(static () => SignScan.Scan(new byte[128], new byte[2], 2, new byte[128], 63));
        Assert.Throws<ArgumentOutOfRangeException>(static () => SignScan.Scan(new byte[64 * 33], new byte[33], 33, new byte[64], 64));
        Assert.Throws<ArgumentException>(static () => SignScan.Bytes(new float[9], new byte[1]));
    }
}
