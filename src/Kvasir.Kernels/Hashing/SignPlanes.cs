using System.Numerics;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Hashing;

/// <summary>
/// SimHash: random planes through the origin, and the side of each on which a vector lies. A code is as many sides as a table has bits, the first in the
/// lowest bit; being exactly on a plane counts as the lower side. The planes are normal numbers in bf16, so that the matrix kernels hash.
/// </summary>
public sealed unsafe class SignPlanes : IDisposable
{
    // So few vectors are scored as queries are, where a lane is a plane; more are multiplied as activations are.
    private const int FewVectors = 16;
    private readonly NativeBuffer _numbers;
    private readonly WeightMatrix _planes;
    private readonly nint[] _page;
    private readonly int _columns;

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
        _columns = KvCodecs.RowBytes(KvType.BF16, dim) / sizeof(ushort);
        _numbers = new NativeBuffer((long)count * _columns * sizeof(ushort));
        var normals = new float[dim];
        for (var plane = 0; plane < count; plane++)
        {
            for (var i = 0; i < dim; i++)
                normals[i] = CounterNoise.Normal(seed, (ulong)((long)plane * dim + i));
            KvCodecs.Encode(KvType.BF16, normals, _numbers.View.Span<byte>((long)plane * _columns * sizeof(ushort), _columns * sizeof(ushort)));
        }

        _planes = new WeightMatrix(WeightType.BF16, count, _columns, _numbers.View);
        _page = [(nint)_numbers.View.Start];
    }

    public int Tables { get; }

    public int Bits { get; }

    public int Dim { get; }

    public long Bytes => _numbers.Bytes;

    /// <summary>Bytes of memory to hash up to <paramref name="vectors"/> at a time in.</summary>
    public long ScratchBytes(int vectors) => PreparedBytes(vectors) + (long)vectors * Tables * Bits * sizeof(float) + SideBytes;

    /// <summary>codes[v, t] = the code of vector v in table t.</summary>
    /// <param name="vectors">[count, dim]; their lengths do not matter.</param>
    /// <param name="scratch">Of <see cref="ScratchBytes"/>, for at least as many.</param>
    /// <param name="codes">[count, tables]</param>
    public void Hash(ReadOnlySpan<float> vectors, NativeView scratch, Span<ushort> codes)
    {
        var (count, sides) = (vectors.Length / Dim, Tables * Bits);
        var products = scratch.Span<float>(PreparedBytes(count), count * sides);
        if (count < FewVectors)
            AttentionScores.Rows(vectors, PagedRows.Keys(_page, (int)BitOperations.RoundUpToPowerOf2((uint)sides), KvType.BF16, Dim), new RowSet(0, sides), 1, products, sides);
        else
            Multiply(vectors, count, scratch.Span<byte>(0, (int)PreparedBytes(count)), products);
        var bits = scratch.Start + scratch.Bytes - SideBytes;
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

    // Floats, or pairs of bf16.
    private long PreparedBytes(int vectors) => ((long)vectors * _columns * sizeof(float) + CacheLines.Bytes - 1) & -CacheLines.Bytes;

    private void Multiply(ReadOnlySpan<float> vectors, int count, Span<byte> prepared, Span<float> products)
    {
        var kind = Activations.KindOf(_planes, count);
        Span<float> padded = stackalloc float[_columns];
        padded.Clear();
        for (var v = 0; v < count; v++)
        {
            vectors.Slice(v * Dim, Dim).CopyTo(padded);
            Activations.Prepare(kind, padded, v, count, prepared);
        }

        MatrixProduct.Multiply(_planes, 0, Tables * Bits, prepared, count, products, Tables * Bits);
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
}
