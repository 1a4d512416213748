using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Hashing;

public sealed class SignPlanesTest
{
    private const int FewVectors = 16;

    [Theory]
    [InlineData(1, 1, 8)]
    [InlineData(7, 3, 17)]
    [InlineData(150, 10, 64)]
    [InlineData(33, 16, 128)]
    [InlineData(20, 13, 96)]
    public void OppositeVectorsLieOnOppositeSidesAndLengthDoesNotMatter(int tables, int bits, int dim)
    {
        foreach (var count in new[] { 1, 3, 16, 70 })
        {
            var (vectors, codes) = (Normal(count * dim, seed: count), new ushort[count * tables]);
            Hash(tables, bits, dim, vectors, codes);
            Assert.All(codes, code => Assert.True(code < 1 << bits));
            var (opposite, scaled) = (new ushort[codes.Length], new ushort[codes.Length]);
            Hash(tables, bits, dim, [.. vectors.Select(static x => -x)], opposite);
            Hash(tables, bits, dim, [.. vectors.Select(static x => 1024 * x)], scaled);
            Assert.Equal(codes, scaled);
            Assert.Equal(codes.Select(code => code ^ (1 << bits) - 1), opposite.Select(static code => (int)code));
        }
    }

    [Fact]
    public void AVectorHasItsCodesInAnyBatch()
    {
        const int Tables = 30, Bits = 10, Dim = 64, Count = 40;
        var (vectors, codes) = (Normal(Count * Dim, seed: 5), new ushort[Count * Tables]);
        Hash(Tables, Bits, Dim, vectors, codes);
        var differing = 0;
        for (var v = 0; v < Count; v++)
        {
            var own = new ushort[Tables];
            Hash(Tables, Bits, Dim, vectors[(v * Dim)..((v + 1) * Dim)], own);
            differing += own.Zip(codes[(v * Tables)..((v + 1) * Tables)]).Count(static pair => pair.First != pair.Second);
        }

        // Only a product that is zero within rounding may change its sign.
        Assert.InRange(differing, 0, 1);
    }

    [Theory]
    [InlineData(0.3, 1)]
    [InlineData(0.3, 2)]
    [InlineData(-0.5, 3)]
    [InlineData(0.9, 4)]
    public void SidesAreSharedAsOftenAsTheAngleSays(double cosine, int seed)
    {
        const int Tables = 4000, Bits = 1, Dim = 64;
        var (a, b) = (Normal(Dim, seed), Normal(Dim, seed + 100));
        var (length, along) = (a.Sum(static x => (double)x * x), a.Zip(b).Sum(static pair => (double)pair.First * pair.Second));
        var across = b.Zip(a).Select(pair => pair.First - along / length * pair.Second).ToArray();
        var acrossLength = Math.Sqrt(across.Sum(static x => x * x));
        var turned = a.Zip(across).Select(pair => (float)(cosine * pair.First / Math.Sqrt(length) + Math.Sqrt(1 - cosine * cosine) * pair.Second / acrossLength));
        var codes = new ushort[2 * Tables];
        Hash(Tables, Bits, Dim, [.. a, .. turned], codes, (ulong)seed);
        var shared = Enumerable.Range(0, Tables).Count(t => codes[t] == codes[Tables + t]) / (double)Tables;
        var p = 1 - Math.Acos(cosine) / Math.PI;
        Assert.InRange(shared, p - 5 * Math.Sqrt(p * (1 - p) / Tables), p + 5 * Math.Sqrt(p * (1 - p) / Tables));
    }

    private static void Hash(int tables, int bits, int dim, float[] vectors, ushort[] codes, ulong seed = 9)
    {
        using var planes = new SignPlanes(tables, bits, dim, seed);
        using var scratch = new NativeBuffer(planes.ScratchBytes(vectors.Length / dim));
        if (vectors.Length < FewVectors * dim)
        {
            planes.Hash(vectors, scratch.View, codes);
            return;
        }

        using var wide = new NativeBuffer(planes.WideBytes);
        planes.Widen(wide.View);
        planes.Hash(vectors, wide.View, scratch.View, codes);
    }

    private static float[] Normal(int count, int seed)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = CounterNoise.Normal((ulong)seed, (ulong)i);
        return values;
    }
}
