using Kvasir.Kernels.Elementwise;

namespace Kvasir.Test.Kernels.Elementwise;

public sealed class ExponentialTest
{
    private const double Tolerance = 2e-7;

    [Fact]
    public void RelativeErrorStaysBelowTolerance()
    {
        var random = new Random(1);
        var x = new float[200_003];
        for (var i = 0; i < x.Length; i++)
            x[i] = (float)(i % 3 == 0 ? random.NextDouble() * 175 - 87 : random.NextDouble() * 2 - 1);
        (x[0], x[1], x[2], x[3]) = (-87, 88, 0, MathF.Log(2) / 2);
        foreach (var variant in Exponential.Variants.Where(v => v.IsSupported))
        {
            var y = x.ToArray();
            variant.Run(y);
            for (var i = 0; i < x.Length; i++)
            {
                var exact = Math.Exp(x[i]);
                if (!(Math.Abs(y[i] - exact) <= Tolerance * exact))
                    Assert.Fail($"{variant}: e^{x[i]:R} = {y[i]:R} instead of {exact:R}");
            }
        }
    }

    [Fact]
    public void EndsOfTheRangeAreZeroInfinityAndNaN()
    {
        (float X, float Expected)[] cases =
        [
            (0, 1), (-0f, 1), (float.NegativeInfinity, 0), (float.MinValue, 0), (-1e6f, 0), (-104, 0), (-88, 0),
            (89, float.PositiveInfinity), (1e6f, float.PositiveInfinity), (float.PositiveInfinity, float.PositiveInfinity), (float.NaN, float.NaN),
            (float.Epsilon, 1), (-float.Epsilon, 1),
        ];
        foreach (var variant in Exponential.Variants.Where(v => v.IsSupported))
        {
            foreach (var (x, expected) in cases)
            {
                var y = new float[35];
                Array.Fill(y, x);
                variant.Run(y);
                Assert.All(y, actual => Assert.Equal(expected, actual));
            }
        }
    }

    [Fact]
    public void NothingBelowZeroIsNaN()
    {
        foreach (var variant in Exponential.Variants.Where(v => v.IsSupported))
        {
            var y = new float[64];
            for (var bits = 0x80000000u; bits < 0xFF800000u - 64 * 4099; bits += 64 * 4099)
            {
                for (var i = 0; i < y.Length; i++)
                    y[i] = BitConverter.UInt32BitsToSingle(bits + (uint)i * 4099);
                variant.Run(y);
                Assert.All(y, v => Assert.InRange(v, 0, 1));
            }
        }
    }

    [Fact]
    public void PublicEntryGivesWhatTheVariantsGive()
    {
        float[] x = [0, 1, -1, float.NegativeInfinity];
        Exponential.Apply(x);
        Assert.Equal([1, Math.E, 1 / Math.E, 0], x.Select(v => (double)v), (a, b) => Math.Abs(a - b) <= Tolerance * a);
    }
}
