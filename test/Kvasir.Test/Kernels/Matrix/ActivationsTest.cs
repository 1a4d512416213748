using System.Runtime.InteropServices;
using Kvasir.Kernels;
using Kvasir.Kernels.Matrix;

namespace Kvasir.Test.Kernels.Matrix;

public sealed class ActivationsTest
{
    public static TheoryData<ActivationKind, string> Quantizers
    {
        get
        {
            var data = new TheoryData<ActivationKind, string>();
            foreach (var variant in Activations.Block32Variants)
                data.Add(ActivationKind.Q8Block32, variant.Name);
            foreach (var variant in Activations.Block256Variants)
                data.Add(ActivationKind.Q8Block256, variant.Name);
            return data;
        }
    }

    [Fact]
    public void EachTypeHasItsKind()
    {
        foreach (var type in Enum.GetValues<WeightType>())
        {
            var expected = WeightLayout.BlockElements(type) switch
            {
                1 => ActivationKind.F32,
                32 => ActivationKind.Q8Block32,
                _ => ActivationKind.Q8Block256,
            };
            Assert.Equal(expected, Activations.KindOf(type));
        }
    }

    [Fact]
    public void SinglePrecisionRowsAreCopied()
    {
        float[] row = [1.5f, -2.25f, float.Epsilon];
        var prepared = new byte[Activations.RowBytes(ActivationKind.F32, row.Length)];
        Activations.Prepare(ActivationKind.F32, row, prepared);
        Assert.Equal(row, MemoryMarshal.Cast<byte, float>(prepared).ToArray());
    }

    [Theory]
    [MemberData(nameof(Quantizers))]
    public void CodesScalesAndSumsFollowTheDefinition(ActivationKind kind, string variant)
    {
        for (var seed = 0; seed < 30; seed++)
        {
            var random = new Random(seed);
            var row = Row(512, random, seed);
            var prepared = Prepare(kind, variant, row);
            if (prepared is null)
                return;
            var block = kind == ActivationKind.Q8Block32 ? 32 : 256;
            for (var first = 0; first < row.Length; first += block)
                AssertBlock(kind, row, prepared, first, $"{kind} {variant}, seed {seed}, block at {first}");
        }
    }

    [Fact]
    public void HalvesRoundToEven()
    {
        // The scale is exactly 1, so the codes are the values rounded.
        var row = new float[32];
        (row[0], row[1], row[2], row[3], row[4]) = (127, 0.5f, 1.5f, -2.5f, -3.5f);
        foreach (var variant in Activations.Block32Variants)
        {
            if (Prepare(ActivationKind.Q8Block32, variant.Name, row) is { } prepared)
                Assert.Equal([127, 0, 2, -2, -4, 0], MemoryMarshal.Cast<byte, sbyte>(prepared)[..6].ToArray());
        }
    }

    [Fact]
    public void CodesStayInRangeWhateverComesIn()
    {
        float[] hostile = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, -float.Epsilon, float.MaxValue, 1e-41f, 0];
        foreach (var kind in new[] { ActivationKind.Q8Block32, ActivationKind.Q8Block256 })
        {
            foreach (var variant in Variants(kind))
            {
                foreach (var value in hostile)
                {
                    var row = new float[256];
                    Array.Fill(row, value, 0, 17);
                    var codes = MemoryMarshal.Cast<byte, sbyte>(Prepare(kind, variant.Name, row) ?? [])[..(variant.IsSupported ? 256 : 0)];
                    Assert.DoesNotContain((sbyte)-128, codes.ToArray());
                }
            }
        }
    }

    // Wherever it lies in its block: a maximum of floats may pass over a NaN.
    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void TheScaleOfABlockWithoutFiniteNumbersIsNone(float value)
    {
        foreach (var (kind, block) in new[] { (ActivationKind.Q8Block32, 32), (ActivationKind.Q8Block256, 256) })
        {
            foreach (var variant in Variants(kind).Where(static variant => variant.IsSupported))
            {
                for (var at = 0; at <= 256; at++)
                {
                    var row = Enumerable.Range(0, 256).Select(i => i == at || at == 256 ? value : (i % 7) - 3f).ToArray();
                    var scales = MemoryMarshal.Cast<byte, float>(Prepare(kind, variant.Name, row).AsSpan(256))[..(256 / block)];
                    for (var i = 0; i < scales.Length; i++)
                        Assert.Equal(at == 256 || at / block == i, !float.IsFinite(scales[i]));
                }
            }
        }
    }

    private static Variant<QuantizeKernel>[] Variants(ActivationKind kind) =>
        kind == ActivationKind.Q8Block32 ? Activations.Block32Variants : Activations.Block256Variants;

    private static unsafe byte[]? Prepare(ActivationKind kind, string name, float[] row)
    {
        var variant = Array.Find(Variants(kind), candidate => candidate.Name == name);
        if (!variant.IsSupported)
            return null;
        var prepared = new byte[Activations.RowBytes(kind, row.Length)];
        fixed (float* source = row)
        fixed (byte* target = prepared)
            variant.Run(source, row.Length, target);
        return prepared;
    }

    private static float[] Row(int columns, Random random, int seed)
    {
        var row = new float[columns];
        for (var i = 0; i < columns; i++)
            row[i] = (random.NextSingle() * 2 - 1) * MathF.Pow(10, random.Next(-3, 3));
        if (seed % 3 == 0)
            Array.Clear(row, 0, 256);
        return row;
    }

    private static unsafe void AssertBlock(ActivationKind kind, float[] row, byte[] prepared, int first, string where)
    {
        fixed (byte* start = prepared)
        {
            var block32 = new Q8Block32Row(start, row.Length);
            var block256 = new Q8Block256Row(start, row.Length);
            var is32 = kind == ActivationKind.Q8Block32;
            var source = row.AsSpan(first, is32 ? 32 : 256);
            var signed = source[0];
            foreach (var value in source)
                signed = MathF.Abs(value) > MathF.Abs(signed) ? value : signed;

            var factor = signed == 0 ? 0 : is32 ? 127 / MathF.Abs(signed) : -127 / signed;
            var scale = signed == 0 ? 0 : is32 ? (float)(Half)(MathF.Abs(signed) / 127) : 1 / factor;
            var codes = is32 ? block32.Codes : block256.Codes;
            Assert.True(scale == (is32 ? block32.Scales[first / 32] : block256.Scales[first / 256]), where);
            for (var i = 0; i < source.Length; i++)
                Assert.True(Math.Clamp(MathF.Round(source[i] * factor, MidpointRounding.ToEven), -127, 127) == codes[first + i], $"{where} + {i}");

            for (var group = first; group < first + source.Length; group += 32)
            {
                var sum = Sum(codes + group, 32);
                Assert.True(sum == (is32 ? block32.NibbleOffsets[group / 32] / -8.0 : block256.Sums32[group / 32]), where);
                Assert.True(!is32 || block32.ScaledSums[group / 32] == scale * sum, where);
                Assert.True(is32 || block256.Sums16[group / 16] == Sum(codes + group, 16), where);
                Assert.True(is32 || block256.Sums16[group / 16 + 1] == Sum(codes + group + 16, 16), where);
            }
        }
    }

    private static unsafe int Sum(sbyte* codes, int count)
    {
        var sum = 0;
        for (var i = 0; i < count; i++)
            sum += codes[i];
        return sum;
    }
}
