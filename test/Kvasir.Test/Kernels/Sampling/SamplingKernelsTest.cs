using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Test.Kernels.Sampling;

/// <summary>Every form of the kernels that sampling policies use, held to plain loops in double precision, over fresh random numbers.</summary>
public sealed class SamplingKernelsTest(ITestOutputHelper output)
{
    private static readonly int[] Lengths = [0, 1, 2, 15, 16, 17, 31, 32, 33, 100, 1023];
    private readonly Random _random = Seeded(output);

    [Fact]
    public void ChancesBelowALimitAreSummedAndTheOthersCounted()
    {
        foreach (var variant in ChanceSums.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var chances = Numbers(length, 0, 1);
                for (var i = 0; i < length; i += 5)
                    chances[i] = i % 2 == 0 ? float.NaN : 0.5f;
                foreach (var limit in new[] { 0, 0.5f, float.PositiveInfinity })
                {
                    var (sure, sum) = variant.Run(chances, limit);
                    Assert.Equal(chances.Count(x => !(x < limit)), sure);
                    var exact = chances.Where(x => x < limit).Sum(x => (double)x);
                    // Each addition of floats rounds by half a unit in the last place, of the sum at most.
                    Assert.Equal(exact, sum, 1e-6 + (length * Math.ScaleB(exact, -24)));
                }
            }
        }
    }

    [Fact]
    public void SignedRootsAreZeroWhereNothingIsLeft()
    {
        foreach (var variant in DrawnWeights.RootVariants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var (shares, signs, roots) = (Numbers(length, 0, 1), Signs(length), new float[length]);
                variant.Run(0.6f, shares, signs, roots);
                for (var i = 0; i < length; i++)
                    Assert.Equal(Math.Sqrt(Math.Max(0, 0.6 - shares[i])) * signs[i], roots[i], 1e-4);
                Assert.All(Enumerable.Range(0, length).Where(i => shares[i] >= 0.6f), i => Assert.Equal(0, roots[i]));
            }
        }
    }

    [Fact]
    public void MomentsOfDrawnWeightsAreThoseOfAPlainLoop()
    {
        foreach (var variant in DrawnWeights.ScatterVariants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var (weights, shares, roots, products) = (Numbers(length, 0, 9), Numbers(length, 0, 1), Numbers(length, -2, 2), new float[length]);
                var moments = variant.Run(weights, shares, roots, products);
                var exact = weights.Zip(roots, (w, r) => (double)(w * r)).ToArray();
                Assert.Equal(exact.Select(x => (float)x), products);
                AssertNear(exact.Sum(x => x * x), moments.Variance);
                AssertNear(exact.Sum(x => x * x * x * x), moments.Fourths);
                AssertNear(weights.Zip(shares, (w, s) => (double)w * w * (1 - s)).Sum(), moments.Drawn);
            }
        }
    }

    [Fact]
    public void LevelsCountTheLimitsBelow()
    {
        foreach (var variant in KeyLevels.LevelVariants.Where(v => v.IsSupported))
        {
            foreach (var length in new[] { 0, 16, 32, 128 })
            {
                foreach (var limits in new float[][] { [], [0], [-1, 0, 1], [.. Enumerable.Range(0, 15).Select(i => (i - 7) / 4f)] })
                {
                    var (values, centres, scales, levels) = (Numbers(length, -3, 3), Numbers(length, -1, 1), Numbers(length, 0, 2), new int[length]);
                    if (length > 3)
                        values[3] = float.NaN;
                    variant.Run(new ScaledValues(values, centres, scales), limits, levels);
                    for (var i = 0; i < length; i++)
                        Assert.Equal(limits.Count(limit => (values[i] - centres[i]) * scales[i] > limit), levels[i]);
                }
            }
        }
    }

    [Fact]
    public void FourSignsAreANumber()
    {
        foreach (var variant in KeyLevels.SignVariants.Where(v => v.IsSupported))
        {
            foreach (var length in new[] { 0, 16, 48 })
            {
                var (values, centres, scales) = (Numbers(length, -3, 3), Numbers(length, -1, 1), Numbers(length, 0, 2));
                if (length > 5)
                    (values[4], scales[5]) = (float.NaN, 0);
                var numbers = Enumerable.Repeat((byte)255, length / 4).ToArray();
                variant.Run(new ScaledValues(values, centres, scales), numbers);
                for (var i = 0; i < length; i++)
                    Assert.Equal((values[i] - centres[i]) * scales[i] > 0, (numbers[i / 4] >> (i % 4) & 1) == 1);
                Assert.All(numbers, number => Assert.InRange(number, 0, 15));
            }
        }
    }

    [Fact]
    public void EntriesOfTablesAreAddedAndRounded()
    {
        foreach (var (add, round) in CodeTables.AddVariants.Zip(CodeTables.RoundVariants).Where(pair => pair.First.IsSupported))
        {
            foreach (var count in new[] { 0, 1, 3 })
            {
                var (entries, pattern, tables) = (Numbers(count * CodeScan.TableEntries, -4, 4), Numbers(CodeScan.TableEntries, -1, 1), new byte[count * CodeScan.TableEntries]);
                var expected = entries.Select((x, i) => x + (2.5f * pattern[i % pattern.Length])).ToArray();
                for (var table = 0; table < count; table++)
                    add.Run(2.5f, pattern, entries.AsSpan(table * CodeScan.TableEntries, CodeScan.TableEntries));
                Assert.Equal(expected, entries);
                if (count == 3)
                    entries[5] = float.NaN;
                round.Run(entries, 20, 200, tables);
                foreach (var at in Enumerable.Range(0, count).Select(table => table * CodeScan.TableEntries).Where(at => at > 0 || count < 3))
                {
                    var own = entries[at..(at + CodeScan.TableEntries)];
                    Assert.Equal(own.Min(), CodeTables.Least(entries.AsSpan(at)));
                    for (var i = 0; i < own.Length; i++)
                        Assert.Equal(Math.Clamp((int)(((own[i] - own.Min()) * 20) + 0.5f), 0, 200), tables[at + i]);
                }
            }
        }
    }

    [Fact]
    public void NumbersAreMultipliedElementByElement()
    {
        foreach (var variant in VectorMath.MultiplyVariants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var (x, y) = (Numbers(length, -3, 3), Numbers(length, -3, 3));
                var expected = x.Zip(y, (a, b) => a * b).ToArray();
                variant.Run(x, y);
                Assert.Equal(expected, y);
            }
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 16)]
    [InlineData(7, 37)]
    [InlineData(51, 128)]
    public void TheBestOfAFewIsTheFirstOfEqualOnesAndNoNaN(int candidates, int rows)
    {
        var stride = rows + 3;
        var random = new Random(candidates);
        var scores = Enumerable.Range(0, ((candidates - 1) * stride) + rows).Select(_ => random.Next(8) == 0 ? float.NaN : random.Next(5)).ToArray();
        foreach (var variant in LargestOf.Variants.Where(static variant => variant.IsSupported))
        {
            var largest = new int[rows];
            variant.Run(scores, stride, largest);
            for (var row = 0; row < rows; row++)
            {
                var own = Enumerable.Range(0, candidates).Select(candidate => scores[(candidate * stride) + row]).ToArray();
                var best = own.Where(static score => !float.IsNaN(score)).DefaultIfEmpty(float.NegativeInfinity).Max();
                Assert.True(Math.Max(0, Array.IndexOf(own, best)) == largest[row], $"{variant.Name}, seed {candidates}, row {row}");
            }
        }
    }

    [Fact]
    public void LengthsThatDoNotFitAreRefused()
    {
        Assert.Throws<ArgumentException>(() => DrawnWeights.SignedRoots(1, new float[3], new float[4], new float[4]));
        Assert.Throws<ArgumentException>(() => DrawnWeights.Scatter(new float[4], new float[4], new float[4], new float[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ScaledValues(new float[15], new float[15], new float[15]));
        Assert.Throws<ArgumentException>(() => KeyLevels.Signs(new ScaledValues(new float[16], new float[16], new float[16]), new byte[3]));
        Assert.Throws<ArgumentException>(() => CodeTables.Round(new float[16], 1, 1, new byte[15]));
    }

    private static Random Seeded(ITestOutputHelper output)
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        return new Random(seed);
    }

    private static void AssertNear(double expected, double actual) => Assert.Equal(expected, actual, 1e-6 * (1 + Math.Abs(expected)));

    private float[] Numbers(int count, float least, float most) => [.. Enumerable.Range(0, count).Select(_ => least + ((most - least) * _random.NextSingle()))];

    private float[] Signs(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(2) == 0 ? 1f : -1f)];
}
