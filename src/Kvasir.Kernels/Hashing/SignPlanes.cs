using System.Numerics;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Hashing;

/// <summary>
/// SimHash: random planes through the origin, and the side of each on which a vector lies. A code is as many sides as a table has bits, the first in the
/// lowest bit; being exactly on a plane counts as the lower side. The planes are normal numbers in 32nds, one byte each: whole numbers in bytes and in bf16
/// alike, so that a few queries meet them as they meet q8 keys, in half of the memory, and many keys as activations meet weights.
/// </summary>
public sealed unsafe class SignPlanes : IDisposable
{
    private const int StepsPerOne = 32;
    private readonly NativeBuffer _numbers;
    private readonly nint[] _page;
    private readonly int _columns;
    private readonly RowLayout _layout;

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
        _columns = RowCodec.BF16.RowBytes(dim) / sizeof(ushort);
        var row = KvQ8Codec.Parts(dim);
        // All scales are 1: the planes share those of the first.
        _layout = new RowLayout(0, row.CodeBytes, checked(count * row.CodeBytes), 0, row.ScaleBytes);
        _numbers = new NativeBuffer(BytesFor(tables, bits, dim));
        var plane = new sbyte[dim];
        for (var i = 0; i < count; i++)
        {
            for (var d = 0; d < dim; d++)
                plane[d] = (sbyte)Math.Clamp(MathF.Round(StepsPerOne * CounterNoise.Normal(seed, (ulong)((long)i * dim + d))), -sbyte.MaxValue, sbyte.MaxValue);
            KvQ8Codec.EncodeWhole(plane, new StoredRow(_numbers.View.Start + (long)i * row.CodeBytes, _numbers.View.Start + _layout.FirstScale));
        }

        _page = [(nint)_numbers.View.Start];
    }

    public int Tables { get; }

    public int Bits { get; }

    public int Dim { get; }

    /// <summary>Bytes of such planes.</summary>
    public static long BytesFor(int tables, int bits, int dim) => ((long)tables * bits * KvQ8Codec.Parts(dim).CodeBytes) + KvQ8Codec.Parts(dim).ScaleBytes;

    /// <summary>Bytes of memory to hash up to <paramref name="vectors"/> at a time in.</summary>
    public long ScratchBytes(int vectors) => PreparedBytes(vectors) + (long)vectors * Tables * Bits * sizeof(float) + SideBytes;

    /// <summary>Bytes that the planes take when they are widened.</summary>
    public long WideBytes => (long)Tables * Bits * _columns * sizeof(ushort);

    private PagedRows Planes => new(_page, (int)BitOperations.RoundUpToPowerOf2((uint)(Tables * Bits)), RowCodec.Q8, Dim, _layout);

    /// <summary>Writes the planes as many vectors meet them.</summary>
    /// <param name="wide">Of <see cref="WideBytes"/>.</param>
    public void Widen(NativeView wide)
    {
        Span<float> plane = stackalloc float[Dim];
        for (var i = 0; i < Tables * Bits; i++)
        {
            Planes.Decode(i, plane);
            RowCodec.BF16.Encode(plane, wide.Span<byte>((long)i * _columns * sizeof(ushort), _columns * sizeof(ushort)));
        }
    }

    /// <summary>codes[v, t] = the code of vector v in table t.</summary>
    /// <param name="vectors">[count, dim]: a few; their lengths do not matter.</param>
    /// <param name="scratch">Of <see cref="ScratchBytes"/>, for at least as many.</param>
    /// <param name="codes">[count, tables]</param>
    public void Hash(ReadOnlySpan<float> vectors, NativeView scratch, Span<ushort> codes)
    {
        var products = Products(vectors.Length / Dim, scratch);
        AttentionScores.Rows(vectors, Planes, new RowSet(0, Tables * Bits), 1, products, Tables * Bits);
        Code(products, scratch, codes);
    }

    /// <summary>The same for many vectors.</summary>
    /// <param name="wide">What <see cref="Widen"/> wrote.</param>
    /// <inheritdoc cref="Hash(ReadOnlySpan{float}, NativeView, Span{ushort})"/>
    public void Hash(ReadOnlySpan<float> vectors, NativeView wide, NativeView scratch, Span<ushort> codes)
    {
        var count = vectors.Length / Dim;
        var products = Products(count, scratch);
        Multiply(new WeightMatrix(WeightType.BF16, Tables * Bits, _columns, wide), vectors, scratch.Span<byte>(0, (int)PreparedBytes(count)), products);
        Code(products, scratch, codes);
    }

    public void Dispose() => _numbers.Dispose();

    // A bit for each plane, and room to read four bytes from any of them.
    private int SideBytes => (Tables * Bits + 7) / 8 + sizeof(uint) + Vector512<float>.Count / 8;

    // Floats, or pairs of bf16.
    private long PreparedBytes(int vectors) => ((long)vectors * _columns * sizeof(float) + CacheLines.Bytes - 1) & -CacheLines.Bytes;

    private Span<float> Products(int count, NativeView scratch) => scratch.Span<float>(PreparedBytes(count), count * Tables * Bits);

    private void Multiply(WeightMatrix planes, ReadOnlySpan<float> vectors, Span<byte> prepared, Span<float> products)
    {
        var count = vectors.Length / Dim;
        var kind = Activations.KindOf(planes, count);
        Span<float> padded = stackalloc float[_columns];
        padded.Clear();
        for (var v = 0; v < count; v++)
        {
            vectors.Slice(v * Dim, Dim).CopyTo(padded);
            Activations.Prepare(kind, padded, v, count, prepared);
        }

        MatrixProduct.Multiply(planes, 0, Tables * Bits, prepared, count, products, Tables * Bits);
    }

    private void Code(ReadOnlySpan<float> products, NativeView scratch, Span<ushort> codes)
    {
        var sides = Tables * Bits;
        var bits = scratch.Start + scratch.Bytes - SideBytes;
        fixed (float* first = products)
        fixed (ushort* code = codes)
        {
            for (var v = 0; v < products.Length / sides; v++)
            {
                Sides(first + (long)v * sides, sides, bits);
                Cut(bits, code + (long)v * Tables);
            }
        }
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
