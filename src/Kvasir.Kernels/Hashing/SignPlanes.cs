using System.Runtime.Intrinsics;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Hashing;

/// <summary>
/// SimHash: random planes through the origin, and the side of each on which a vector lies. A code is as many sides as a table has bits, the first in the
/// lowest bit; being exactly on a plane counts as the lower side. The planes are normal numbers in bf16, so that the matrix kernels hash.
/// </summary>
public sealed unsafe class SignPlanes : IDisposable
{
    private readonly NativeBuffer _numbers;
    private readonly WeightMatrix _planes;

    /// <param name="tables">At least 1.</param>
    /// <param name="bits">Of a code: 1 to 16.</param>
    /// <param name="dim">Elements of a vector.</param>
    /// <param name="seed">The same seed gives the same planes.</param>
    public SignPlanes(int tables, int bits, int dim, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tables, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 16);
        (Tables, Bits, Dim) = (tables, bits, dim);
        var count = checked(tables * bits);
        _numbers = new NativeBuffer((long)count * dim * sizeof(ushort));
        var numbers = (ushort*)_numbers.View.Start;
        for (var i = 0L; i < (long)count * dim; i++)
            numbers[i] = Bf16(CounterNoise.Normal(seed, (ulong)i));
        _planes = new WeightMatrix(WeightType.BF16, count, dim, _numbers.View);
    }

    public int Tables { get; }

    public int Bits { get; }

    public int Dim { get; }

    public long Bytes => _numbers.Bytes;

    /// <summary>Memory to hash up to <paramref name="vectors"/> at a time in.</summary>
    public NativeBuffer Scratch(int vectors) => NativeBuffer.Uninitialized(PreparedBytes(vectors) + (long)vectors * Tables * Bits * sizeof(float) + SideBytes);

    /// <summary>codes[v, t] = the code of vector v in table t.</summary>
    /// <param name="vectors">[count, dim]; their lengths do not matter.</param>
    /// <param name="scratch">From <see cref="Scratch"/>, for at least as many.</param>
    /// <param name="codes">[count, tables]</param>
    public void Hash(ReadOnlySpan<float> vectors, NativeBuffer scratch, Span<ushort> codes)
    {
        var (count, sides) = (vectors.Length / Dim, Tables * Bits);
        var kind = Activations.KindOf(_planes, count);
        var prepared = scratch.View.Span<byte>(0, count * Activations.RowBytes(kind, Dim));
        for (var v = 0; v < count; v++)
            Activations.Prepare(kind, vectors.Slice(v * Dim, Dim), v, count, prepared);
        var products = scratch.View.Span<float>(PreparedBytes(count), count * sides);
        MatrixProduct.Multiply(_planes, 0, sides, prepared, count, products, sides);
        var bits = (byte*)scratch.View.Start + scratch.Bytes - SideBytes;
        fixed (float* first = products)
        fixed (ushort* code = codes)
        {
            for (var v = 0; v < count; v++)
            {
                Sides(first + (long)v * sides, sides, bits);
                Cut(bits, code + (long)v * Tables);
            }
        }
    }

    public void Dispose() => _numbers.Dispose();

    // A bit for each plane, and room to read four bytes from any of them.
    private int SideBytes => (Tables * Bits + 7) / 8 + sizeof(uint) + Vector512<float>.Count / 8;

    private long PreparedBytes(int vectors)
    {
        var most = 0L;
        ReadOnlySpan<int> batches = [1, vectors];
        foreach (var count in batches)
            most = Math.Max(most, (long)vectors * Activations.RowBytes(Activations.KindOf(_planes, count), Dim));
        return (most + 63) & ~63L;
    }

    private static void Sides(float* products, int count, byte* bits)
    {
        var i = 0;
        for (; i + 16 <= count; i += 16)
            *(ushort*)(bits + i / 8) = (ushort)Vector512.GreaterThan(Vector512.Load(products + i), Vector512<float>.Zero).ExtractMostSignificantBits();
        if (i == count)
            return;
        var rest = 0;
        for (var bit = 0; i + bit < count; bit++)
            rest |= products[i + bit] > 0 ? 1 << bit : 0;
        *(ushort*)(bits + i / 8) = (ushort)rest;
    }

    private void Cut(byte* bits, ushort* codes)
    {
        var mask = (1u << Bits) - 1;
        for (var (table, at) = (0, 0); table < Tables; table++, at += Bits)
            codes[table] = (ushort)(*(uint*)(bits + at / 8) >> at % 8 & mask);
    }

    private static ushort Bf16(float x)
    {
        var bits = BitConverter.SingleToUInt32Bits(x);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
