using Kvasir.Attention.Indexes;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Test.Attention.Indexes;

/// <summary>Against a table that was computed in double precision outside of this code.</summary>
public sealed class CollisionLawTest
{
    private static readonly (int Bits, int Tables)[] Settings = [(8, 75), (9, 120), (10, 150), (10, 170), (10, 220), (11, 300)];

    private static readonly (double Cosine, double[] Inclusion)[] Golden =
    [
        (-0.50, [6.3989e-5, 1.8356e-5, 3.1996e-6, 4.1120e-6, 6.8920e-6, 1.4276e-6]),
        (-0.25, [2.4427e-3, 1.1231e-3, 3.1411e-4, 4.0287e-4, 6.7183e-4, 2.2250e-4]),
        (-0.10, [1.3197e-2, 7.6447e-3, 2.7147e-3, 3.4664e-3, 5.7168e-3, 2.3943e-3]),
        (0, [3.5083e-2, 2.3390e-2, 9.6837e-3, 1.2289e-2, 1.9959e-2, 9.7101e-3]),
        (0.10, [8.3819e-2, 6.3658e-2, 3.0745e-2, 3.8600e-2, 6.1045e-2, 3.4480e-2]),
        (0.20, [.17965, .15341, .086737, .10695, .16182, .10625]),
        (0.30, [.34159, .32160, .21367, .25592, .36098, .27520]),
        (0.40, [.56511, .56908, .44328, .50812, .64718, .56533]),
        (0.50, [.79556, .82210, .73555, .79559, .89596, .86227]),
        (0.60, [.94736, .96702, .94341, .96603, .99088, .98829]),
        (0.70, [.99562, .99872, .99768, .99914, .99993, .99994]),
    ];

    [Fact]
    public void InclusionIsTheGoldenTables()
    {
        for (var i = 0; i < Settings.Length; i++)
        {
            var law = new CollisionLaw(Settings[i].Bits, Settings[i].Tables, 0);
            foreach (var (cosine, inclusion) in Golden)
                Assert.InRange(law.Inclusion(cosine) / inclusion[i], 1 - 6e-5, 1 + 6e-5);
            Assert.Equal((0, 1), (law.Inclusion(-1), law.Inclusion(1)));
        }
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 3)]
    [InlineData(3, 4)]
    [InlineData(1, 64)]
    [InlineData(16, 1024)]
    public void InclusionIsTheSumOverNumbersOfTables(int bits, int tables)
    {
        var law = new CollisionLaw(bits, tables, 0);
        var last = 0.0;
        for (var cosine = -1.0; cosine <= 1; cosine += 0.015625)
        {
            var x = Math.Pow(1 - Math.Acos(cosine) / Math.PI, bits);
            // C(L, k) x^k (1 - x)^(L - k) for k from 2 on, every term positive.
            var (sum, term) = (0.0, tables * (tables - 1.0) / 2 * x * x * Math.Pow(1 - x, tables - 2));
            for (var k = 2; k <= tables && term > 0; k++)
            {
                sum += term;
                term *= (tables - k) / (k + 1.0) * x / (1 - x);
            }

            var inclusion = law.Inclusion(cosine);
            Assert.True(Math.Abs(inclusion - sum) <= 1e-9 * sum + 1e-300 || cosine == 1, $"cosine {cosine}: {inclusion}, not {sum}");
            Assert.True(inclusion >= last, $"not growing at {cosine}");
            last = inclusion;
        }
    }

    [Fact]
    public void WeightsOfTheTableAreCloseAndNeverNaN()
    {
        foreach (var (bits, tables) in Settings)
        {
            var (law, faithful) = (new CollisionLaw(bits, tables, 0), new CollisionLaw(bits, tables, 1e-4));
            for (var cosine = -0.3f; cosine < 1; cosine += 0.00037f)
            {
                Assert.Equal(-Math.Log(law.Inclusion(cosine)), Weight(law, cosine), 1e-4);
                Assert.Equal(-Math.Log(faithful.Inclusion(cosine) + 1e-4), Weight(faithful, cosine), 1e-4);
            }

            foreach (var cosine in new[] { -1.0000001f, -1, 1, 1.0000001f, -2, 2 })
                Assert.True(float.IsFinite(Weight(law, cosine)), $"{cosine}");
            Assert.Equal(0, Weight(law, 1.0000001f), 1e-6);
        }
    }

    // Of one row: its score is its cosine.
    private static float Weight(CollisionLaw law, float cosine)
    {
        var score = new[] { 0f };
        CosineWeights.Add(score, [1], [1], 0, new CosineOf(-cosine, 1), law.Weights);
        return score[0];
    }
}
