using Kvasir.Kernels.Elementwise;

namespace Kvasir.Test.Kernels.Elementwise;

public sealed class ElementwiseTest
{
    private static readonly int[] Lengths = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 1023, 4096];

    [Fact]
    public void ExponentialsGiveTermsAndTheirSum()
    {
        foreach (var variant in Softmax.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var x = Random(length, 30, seed: length);
                for (var i = 0; i < length; i += 5)
                    x[i] = float.NegativeInfinity;
                var max = length < 2 ? 3f : x.Max();
                var y = x.ToArray();
                var sum = variant.Run(y, max);
                var exact = x.Select(v => Math.Exp((double)v - max)).ToArray();
                // The shift is rounded to half a unit in the last place of up to 60.
                RequireClose(exact, y, 4e-6, $"{variant}, length {length}");
                Assert.Equal(exact.Sum(), sum, exact.Sum() * 5e-6);
                Assert.All(Enumerable.Range(0, length).Where(i => float.IsNegativeInfinity(x[i])), i => Assert.Equal(0, y[i]));
            }
        }
    }

    [Fact]
    public void ExponentialsOfNothingVisibleAreZero()
    {
        foreach (var variant in Softmax.Variants.Where(v => v.IsSupported))
        {
            var x = new float[37];
            Array.Fill(x, float.NegativeInfinity);
            Assert.Equal(0, variant.Run(x, float.NegativeInfinity));
            Assert.All(x, v => Assert.Equal(0, v));
            Assert.Equal(0, variant.Run([], float.NegativeInfinity));
        }
    }

    [Fact]
    public void AboveListsWhatAPlainLoopFinds()
    {
        foreach (var variant in NumbersAbove.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var x = Random(length, 2, seed: length);
                for (var i = 0; i < length; i += 7)
                    x[i] = i % 2 == 0 ? float.NaN : 0.5f;
                foreach (var limit in new[] { -3f, 0.5f, 1.9f, float.PositiveInfinity })
                {
                    var (places, found) = (new int[length], new float[length]);
                    var count = variant.Run(x, limit, 100, places, found);
                    var expected = Enumerable.Range(0, length).Where(i => x[i] > limit).ToArray();
                    Assert.Equal(expected.Select(i => i + 100), places[..count]);
                    Assert.Equal(expected.Select(i => x[i]), found[..count]);
                }
            }
        }
    }

    [Fact]
    public void SwiGluMatchesDoublePrecision()
    {
        foreach (var variant in SwiGlu.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var (gate, up) = (Random(length, 20, seed: length), Random(length, 5, seed: length + 1));
                var y = new float[length];
                variant.Run(gate, up, y);
                RequireClose([.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-(double)g)) * u)], y, 5e-7, $"{variant}, length {length}");
                variant.Run(gate, up, gate);
                Assert.Equal(y, gate);
            }

            var extremes = new float[32];
            variant.Run([.. Enumerable.Repeat(-1e30f, 16), .. Enumerable.Repeat(1e30f, 16)], [.. Enumerable.Repeat(2f, 32)], extremes);
            Assert.All(extremes[..16], v => Assert.Equal(0, v));
            Assert.All(extremes[16..], v => Assert.Equal(2e30f, v));
        }
    }

    [Theory]
    [InlineData(0.5f)]
    [InlineData(50f)]
    public void SoftCapMatchesDoublePrecision(float cap)
    {
        foreach (var variant in SoftCap.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var x = Random(length, 3 * cap, seed: length);
                var y = x.ToArray();
                variant.Run(y, cap);
                Assert.All(x.Zip(y), pair => Assert.True(Math.Abs((cap * Math.Tanh(pair.First / (double)cap)) - pair.Second) <= 2.5e-7 * cap, $"{variant}, length {length}: {pair}"));
            }

            float[] extremes = [0, -1e30f, 1e30f, float.NegativeInfinity, float.PositiveInfinity, .. Enumerable.Repeat(float.NaN, 32)];
            variant.Run(extremes, cap);
            Assert.Equal([0, -cap, cap, -cap, cap], extremes[..5]);
            Assert.All(extremes[5..], v => Assert.True(float.IsNaN(v)));
        }
    }

    [Fact]
    public void ClampedSwiGluMatchesDoublePrecision()
    {
        foreach (var variant in ClampedSwiGlu.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var (gate, up) = (Random(length, 20, seed: length), Random(length, 15, seed: length + 1));
                var y = new float[length];
                variant.Run(gate, up, y);
                var expected = gate.Zip(up, static (g, u) => Math.Min(g, 7) / (1 + Math.Exp(-1.702 * Math.Min(g, 7))) * (Math.Clamp(u, -7, 7) + 1.0));
                Assert.All(expected.Zip(y), pair => Assert.True(Math.Abs(pair.First - pair.Second) <= 2e-6 * Math.Max(1, Math.Abs(pair.First)), $"{variant}, length {length}: {pair}"));
                variant.Run(gate, up, gate);
                Assert.Equal(y, gate);
            }
        }
    }

    [Fact]
    public void GeGluMatchesDoublePrecision()
    {
        foreach (var variant in GeGlu.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var (gate, up) = (Random(length, 6, seed: length), Random(length, 5, seed: length + 1));
                var y = new float[length];
                variant.Run(gate, up, y);
                var expected = gate.Zip(up, (g, u) => 0.5 * g * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (g + (0.044715 * g * g * g)))) * u);
                Assert.All(expected.Zip(y), pair => Assert.True(Math.Abs(pair.First - pair.Second) <= 2e-6 * Math.Max(1, Math.Abs(pair.First)), $"{variant}, length {length}: {pair}"));
                variant.Run(gate, up, gate);
                Assert.Equal(y, gate);
            }

            var extremes = new float[32];
            variant.Run([.. Enumerable.Repeat(-1e30f, 16), .. Enumerable.Repeat(1e30f, 16)], [.. Enumerable.Repeat(2f, 32)], extremes);
            Assert.All(extremes[..16], v => Assert.Equal(0, v));
            Assert.All(extremes[16..], v => Assert.Equal(2e30f, v));
        }
    }

    [Fact]
    public void RmsNormMatchesDoublePrecision()
    {
        foreach (var variant in RmsNorm.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                var (x, weight) = (Random(length, 9, seed: length), Random(length, 2, seed: length + 1));
                var y = new float[length];
                variant.Run(x, weight, 1e-5f, y);
                var inverse = 1 / Math.Sqrt(x.Sum(v => (double)v * v) / Math.Max(1, length) + 1e-5f);
                RequireClose([.. x.Zip(weight, (a, w) => a * inverse * w)], y, 1e-6, $"{variant}, length {length}");
                variant.Run(x, weight, 1e-5f, x);
                Assert.Equal(y, x);
            }
        }
    }

    [Theory]
    [InlineData(RopeOrder.Interleaved)]
    [InlineData(RopeOrder.Halves)]
    public void RopeTurnsPairsAndLeavesTheRest(RopeOrder order)
    {
        foreach (var variant in Rope.Variants.Where(v => v.IsSupported))
        {
            foreach (var pairs in (int[])[0, 1, 3, 4, 5, 16, 17, 32, 40, 64, 100])
            {
                var head = Random(2 * pairs + 3, 2, seed: pairs);
                var angles = Random(pairs, 3, seed: pairs + 1);
                var expected = head.Select(v => (double)v).ToArray();
                for (var i = 0; i < pairs; i++)
                {
                    var (a, b) = order == RopeOrder.Halves ? (i, i + pairs) : (2 * i, 2 * i + 1);
                    var (c, s) = ((double)MathF.Cos(angles[i]), (double)MathF.Sin(angles[i]));
                    (expected[a], expected[b]) = (head[a] * c - head[b] * s, head[a] * s + head[b] * c);
                }

                variant.Run(head, [.. angles.Select(MathF.Cos)], [.. angles.Select(MathF.Sin)], order);
                for (var i = 0; i < head.Length; i++)
                    Assert.True(Math.Abs(expected[i] - head[i]) <= 6e-7, $"{variant}, {pairs} pairs, element {i}: {head[i]} instead of {expected[i]}");
            }
        }
    }

    [Fact]
    public void LayerNormMatchesDoublePrecision()
    {
        foreach (var variant in LayerNorm.Variants.Where(v => v.IsSupported))
        {
            foreach (var length in Lengths)
            {
                // A mean far from zero: squares of what is not centred would not do.
                var (x, weight) = (Random(length, 9, seed: length).Select(v => v + 100).ToArray(), Random(length, 2, seed: length + 1));
                var y = new float[length];
                variant.Run(x, weight, 1e-5f, y);
                var mean = x.Sum(v => (double)v) / Math.Max(1, length);
                var inverse = 1 / Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)) / Math.Max(1, length) + 1e-5f);
                // What lies next to the mean has few digits left of it.
                Assert.All(x.Zip(weight, (a, w) => (a - mean) * inverse * w).Zip(y), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
                variant.Run(x, weight, 1e-5f, x);
                Assert.Equal(y, x);
            }
        }
    }

    // Squares beyond f32 made a norm divide by infinity: a row of zeros, and an answer of the first token of the vocabulary.
    [Fact]
    public void NormsOfLargeNumbersAreThoseOfSmallOnes()
    {
        // One number has no distance from its mean.
        foreach (var (norms, least) in new[] { (RmsNorm.Variants, 1), (LayerNorm.Variants, 2) })
        {
            foreach (var variant in norms.Where(v => v.IsSupported))
            {
                foreach (var length in Lengths.Where(length => length >= least))
                {
                    var (x, weight) = (Random(length, 9, seed: length), Random(length, 2, seed: length + 1));
                    var (small, large) = (new float[length], new float[length]);
                    variant.Run(x, weight, 0, small);
                    variant.Run([.. x.Select(v => MathF.ScaleB(v, 120))], weight, 0, large);
                    RequireClose([.. small.Select(v => (double)v)], large, 2e-5, $"{variant}, length {length}");
                    variant.Run([.. x.Select((v, i) => i == length / 2 ? float.PositiveInfinity : v)], weight, 0, large);
                    Assert.True(float.IsNaN(large[length / 2]), $"{variant}, length {length}: {large[length / 2]} stands for infinity");
                }
            }
        }
    }

    [Fact]
    public void VectorMathMatchesDoublePrecision()
    {
        foreach (var length in Lengths)
        {
            var (x, y) = (Random(length, 4, seed: length), Random(length, 4, seed: length + 1));
            foreach (var variant in VectorMath.AddVariants.Where(v => v.IsSupported))
            {
                var z = y.ToArray();
                variant.Run(x, z);
                Assert.Equal(x.Zip(y, (a, b) => a + b), z);
            }

            foreach (var variant in VectorMath.AddScaledVariants.Where(v => v.IsSupported))
            {
                var z = y.ToArray();
                variant.Run(0.7f, x, z);
                for (var i = 0; i < length; i++)
                    Assert.Equal((double)0.7f * x[i] + y[i], z[i], 1e-6);
            }

            foreach (var variant in VectorMath.ScaleVariants.Where(v => v.IsSupported))
            {
                var z = x.ToArray();
                variant.Run(z, -1.3f);
                Assert.Equal(x.Select(a => a * -1.3f), z);
            }

            foreach (var variant in VectorMath.MaxVariants.Where(v => v.IsSupported))
            {
                Assert.Equal(x.Append(float.NegativeInfinity).Max(), variant.Run(x));
                for (var i = 0; i < Math.Min(length, 70); i++)
                {
                    var z = x.ToArray();
                    z[i] = 100;
                    Assert.Equal(100, variant.Run(z));
                }
            }

            foreach (var variant in VectorMath.RaiseVariants.Where(v => v.IsSupported))
            {
                var z = y.ToArray();
                variant.Run(x, z);
                Assert.Equal(x.Zip(y, Math.Max), z);
            }

            foreach (var variant in VectorMath.SumVariants.Where(v => v.IsSupported))
                Assert.Equal(x.Sum(a => (double)a), variant.Run(x), 1e-6 * x.Sum(Math.Abs));

            foreach (var variant in VectorMath.DotVariants.Where(v => v.IsSupported))
            {
                var products = x.Zip(y, (a, b) => (double)a * b).ToArray();
                Assert.Equal(products.Sum(), variant.Run(x, y), 1e-6 * products.Sum(Math.Abs));
            }
        }
    }

    // A maximum passes over a NaN, and may be minus infinity where scores are masked beside it.
    [Fact]
    public void ANaNAmongMaskedScoresStays()
    {
        foreach (var variant in Softmax.Variants.Where(v => v.IsSupported))
        {
            for (var length = 1; length < 70; length++)
            {
                for (var at = 0; at < length; at++)
                {
                    var scores = Enumerable.Repeat(float.NegativeInfinity, length).ToArray();
                    scores[at] = float.NaN;
                    Assert.Equal(float.NaN, variant.Run(scores, VectorMath.Max(scores)));
                    Assert.Equal(float.NaN, scores[at]);
                }
            }
        }
    }

    [Fact]
    public void TheMaximumShowsANaNWhereverItIs()
    {
        foreach (var variant in VectorMath.MaxOrNaNVariants.Where(v => v.IsSupported))
        {
            for (var length = 0; length < 70; length++)
            {
                var x = Enumerable.Range(0, length).Select(i => (float)((i * 37 % 71) - 90)).ToArray();
                Assert.Equal(x.Append(float.NegativeInfinity).Max(), variant.Run(x));
                for (var i = 0; i < length; i++)
                {
                    var one = x.ToArray();
                    foreach (var value in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
                    {
                        one[i] = value;
                        Assert.Equal(float.IsNaN(value) ? float.NaN : one.Max(), variant.Run(one));
                    }
                }
            }
        }
    }

    [Fact]
    public void PublicEntriesGiveWhatTheVariantsGive()
    {
        var (x, y) = (Random(67, 3, seed: 5), Random(67, 3, seed: 6));
        var z = y.ToArray();
        VectorMath.Add(x, z);
        Assert.Equal(x.Zip(y, (a, b) => a + b), z);
        VectorMath.AddScaled(-1, x, z);
        RequireNear(y, z);
        VectorMath.Scale(z, 2);
        RequireNear([.. y.Select(v => 2 * v)], z);
        Assert.Equal(x.Max(), VectorMath.Max(x));
        Assert.Equal(x.Sum(a => (double)a), VectorMath.Sum(x), 1e-5);
        VectorMath.Raise(x, z);
        Assert.Equal(z, z.Zip(x, Math.Max));
        Assert.Equal(x.Zip(y, (a, b) => (double)a * b).Sum(), VectorMath.Dot(x, y), 1e-4);
        RmsNorm.Apply(x, y, 1e-6f, z);
        var inverse = 1 / Math.Sqrt(x.Sum(v => (double)v * v) / x.Length + 1e-6f);
        RequireNear([.. x.Zip(y, (a, w) => (float)(a * inverse * w))], z);
        SwiGlu.Apply(x, y, z);
        RequireNear([.. x.Zip(y, (g, u) => (float)(g / (1 + Math.Exp(-g)) * u))], z);
        z = [3, 4];
        Rope.Rotate(z, [0], [1], RopeOrder.Halves);
        Assert.Equal([-4f, 3f], z);
        Assert.Equal(1 + Math.Exp(-1), Softmax.Exponentials(z, 3) - Math.Exp(-7) + Math.Exp(-1), 1e-6);
    }

    [Fact]
    public void UnequalLengthsThrow()
    {
        Assert.Throws<ArgumentException>(() => VectorMath.Add(new float[3], new float[4]));
        Assert.Throws<ArgumentException>(() => VectorMath.Dot(new float[5], new float[4]));
        Assert.Throws<ArgumentException>(() => RmsNorm.Apply(new float[4], new float[3], 0, new float[4]));
        Assert.Throws<ArgumentException>(() => LayerNorm.Apply(new float[4], new float[4], 0, new float[5]));
        Assert.Throws<ArgumentException>(() => SwiGlu.Apply(new float[4], new float[4], new float[3]));
        Assert.Throws<ArgumentException>(() => Rope.Rotate(new float[7], new float[4], new float[4], RopeOrder.Halves));
        Assert.Throws<ArgumentException>(() => Rope.Rotate(new float[8], new float[4], new float[3], RopeOrder.Halves));
    }

    private static float[] Random(int length, float limit, int seed)
    {
        var random = new Random(seed);
        var x = new float[length];
        for (var i = 0; i < length; i++)
            x[i] = (float)(random.NextDouble() * 2 - 1) * limit;
        return x;
    }

    private static void RequireClose(double[] expected, float[] actual, double relative, string what)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(actual[i] - expected[i]) <= relative * Math.Abs(expected[i]) + 1e-37))
                Assert.Fail($"{what}, element {i}: {actual[i]:R} instead of {expected[i]:R}");
        }
    }

    private static void RequireNear(float[] expected, float[] actual)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 1e-5f);
    }
}
