using Kvasir.Kernels.Elementwise;

namespace Kvasir.Test.Kernels.Elementwise;

/// <summary>Activations of feed-forward parts without a gate, each variant against double precision.</summary>
public sealed class ActivationTest
{
    private static readonly int[] Lengths = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 1023, 4096];

    // The error function by its series, which has nothing in common with the kernel's formula.
    [Fact]
    public void GeluMatchesDoublePrecision()
    {
        foreach (var variant in Gelu.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var x = Random(length, 5, seed: length);
                var y = x.ToArray();
                variant.Run(y);
                Assert.All(x.Zip(y), pair => Assert.True(
                    Math.Abs((pair.First / 2.0 * (1 + Erf(pair.First / Math.Sqrt(2)))) - pair.Second) <= 4e-7 * Math.Abs(pair.First), $"{variant}, length {length}: {pair}"));
            }

            float[] extremes = [.. Enumerable.Repeat(-1e30f, 16), .. Enumerable.Repeat(1e30f, 16), 0, float.NaN];
            variant.Run(extremes);
            Assert.All(extremes[..16], v => Assert.Equal(0, v));
            Assert.All(extremes[16..32], v => Assert.Equal(1e30f, v));
            Assert.Equal((0, float.NaN), (extremes[32], extremes[33]));
        }
    }

    [Fact]
    public void ReluKeepsWhatIsNotBelowZero()
    {
        foreach (var variant in Relu.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                float[] x = [.. Random(length, 5, seed: length), 0, float.NaN, float.PositiveInfinity, float.NegativeInfinity];
                var y = x.ToArray();
                variant.Run(y);
                Assert.Equal(x.Select(v => v < 0 ? 0 : v), y);
            }
        }
    }

    private static double Erf(double x)
    {
        var (term, sum) = (x, x);
        for (var n = 1; n < 200; n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private static float[] Random(int length, float limit, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => ((2 * random.NextSingle()) - 1) * limit)];
    }
}
