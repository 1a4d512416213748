using Kvasir.Kernels.Hashing;

namespace Kvasir.Test.Kernels.Hashing;

public sealed class CosineWeightsTest
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(7, 61)]
    [InlineData(8, 57)]
    [InlineData(17, 3)]
    [InlineData(512, 512)]
    [InlineData(515, 129)]
    public void EveryFormInterpolatesTheTable(int count, int firstBit)
    {
        var random = new Random(count + firstBit);
        float[] table = [.. Enumerable.Range(0, 42).Select(_ => random.NextSingle())];
        table[41] = table[40];
        var (scores, inverse) = (new float[count], new float[count]);
        for (var i = 0; i < count; i++)
            (scores[i], inverse[i]) = (8 * random.NextSingle() - 4, random.NextSingle());
        var found = new ulong[(firstBit + count + 63) / 64];
        random.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(found.AsSpan()));
        var cosine = new CosineOf(0.3f, 0.4f);
        foreach (var variant in CosineWeights.Variants.Where(static variant => variant.IsSupported))
        {
            var actual = scores.ToArray();
            variant.Run(actual, inverse, found, firstBit, cosine, table);
            for (var i = 0; i < count; i++)
            {
                var at = (Math.Clamp((scores[i] - 0.3) * 0.4 * inverse[i], -1, 1) + 1) * 20;
                var weight = table[(int)at] + (at - (int)at) * (table[(int)at + 1] - table[(int)at]);
                var bit = firstBit + i;
                var expected = (found[bit / 64] >> (bit % 64) & 1) == 0 ? double.NegativeInfinity : scores[i] + weight;
                Assert.True(expected == actual[i] || Math.Abs(expected - actual[i]) < 1e-4, $"{variant.Name}, row {i}: {actual[i]}, not {expected}");
            }
        }
    }

    [Fact]
    public void WhatIsNoNumberTouchesNothingElse()
    {
        foreach (var variant in CosineWeights.Variants.Where(static variant => variant.IsSupported))
        {
            float[] scores = [float.NaN, 1, float.PositiveInfinity, float.NegativeInfinity, 2, 3, 4, 5, 6, float.NaN];
            variant.Run(scores, new float[10], [0b1111111111], 0, new CosineOf(0, 1), [0, 0, 0, 0]);
            Assert.Equal([float.NaN, 1, float.PositiveInfinity, float.NegativeInfinity, 2, 3, 4, 5, 6, float.NaN], scores);
        }
    }
}
