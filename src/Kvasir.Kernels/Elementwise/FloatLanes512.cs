using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Elementwise;

/// <summary>16 floats. Only x86 accelerates <c>Vector512</c>, so its own instructions may be named here.</summary>
internal readonly unsafe struct FloatLanes512 : IFloatLanes<Vector512<float>>
{
    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBf16(ushort* source) =>
        Vector512.ShiftLeft(Avx512F.ConvertToVector512UInt32(Vector256.Load(source)), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadInt8(sbyte* source) =>
        Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> x, Vector512<float> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> x, Vector512<float> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> x, Vector512<float> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> x, Vector512<float> y) => x / y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> x, Vector512<float> y, Vector512<float> z) => Vector512.MultiplyAddEstimate(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Max(Vector512<float> x, Vector512<float> y) => Vector512.MaxNative(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AtMost(Vector512<float> x, Vector512<float> limit) =>
        Vector512.ConditionalSelect(Vector512.GreaterThan(x, limit), limit, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ZeroWhereBelow(Vector512<float> x, Vector512<float> limit, Vector512<float> value) =>
        Vector512.ConditionalSelect(Vector512.LessThan(x, limit), Vector512<float>.Zero, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> PowerOfTwo(Vector512<float> shifted) =>
        Vector512.ShiftLeft(shifted.AsInt32() + Vector512.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint WhereAbove(Vector512<float> x, Vector512<float> limit) => (uint)Vector512.GreaterThan(x, limit).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> x) => Vector512.Sum(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector512<float> x) => FloatLanes256.Largest(FloatLanes256.Max(x.GetLower(), x.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(
        byte* rows, nint stride, out Vector512<float> a, out Vector512<float> b, out Vector512<float> c, out Vector512<float> d)
    {
        // Quarter q of register r is row 4q + r, so that transposing within quarters leaves rows in order.
        var (w, x) = (Quarters(rows, stride), Quarters(rows + stride, stride));
        var (y, z) = (Quarters(rows + 2 * stride, stride), Quarters(rows + 3 * stride, stride));
        Transpose(w, x, y, z, out a, out b, out c, out d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(byte** rows, nint offset, out Vector512<float> a, out Vector512<float> b, out Vector512<float> c, out Vector512<float> d)
    {
        var (w, x) = (Quarters(rows, offset), Quarters(rows + 1, offset));
        var (y, z) = (Quarters(rows + 2, offset), Quarters(rows + 3, offset));
        Transpose(w, x, y, z, out a, out b, out c, out d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LowerBf16(Vector512<float> pairs) => Vector512.ShiftLeft(pairs.AsInt32(), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> UpperBf16(Vector512<float> pairs) => (pairs.AsUInt32() & Vector512.Create(0xFFFF0000)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> EvenBytes(Vector512<float> bytes) =>
        Vector512.ShiftRightArithmetic(Vector512.ShiftLeft(bytes.AsInt16(), 8), 8).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> OddBytes(Vector512<float> bytes) => Vector512.ShiftRightArithmetic(bytes.AsInt16(), 8).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddWordProducts(Vector512<float> words, int* pair, Vector512<float> sums) =>
        (Avx512BW.MultiplyAddAdjacent(words.AsInt16(), Vector512.Create(*pair).AsInt16()) + sums.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FromIntegers(Vector512<float> integers) => Vector512.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quarters(byte** rows, nint offset)
    {
        var x = Vector128.Load((float*)(rows[0] + offset)).ToVector256Unsafe().ToVector512Unsafe();
        x = Avx512F.InsertVector128(x, Vector128.Load((float*)(rows[4] + offset)), 1);
        x = Avx512F.InsertVector128(x, Vector128.Load((float*)(rows[8] + offset)), 2);
        return Avx512F.InsertVector128(x, Vector128.Load((float*)(rows[12] + offset)), 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(
        Vector512<float> w, Vector512<float> x, Vector512<float> y, Vector512<float> z,
        out Vector512<float> a, out Vector512<float> b, out Vector512<float> c, out Vector512<float> d)
    {
        var (low, lowNext) = (Avx512F.UnpackLow(w, x).AsDouble(), Avx512F.UnpackLow(y, z).AsDouble());
        var (high, highNext) = (Avx512F.UnpackHigh(w, x).AsDouble(), Avx512F.UnpackHigh(y, z).AsDouble());
        a = Avx512F.UnpackLow(low, lowNext).AsSingle();
        b = Avx512F.UnpackHigh(low, lowNext).AsSingle();
        c = Avx512F.UnpackLow(high, highNext).AsSingle();
        d = Avx512F.UnpackHigh(high, highNext).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quarters(byte* row, nint stride)
    {
        var x = Vector128.Load((float*)row).ToVector256Unsafe().ToVector512Unsafe();
        x = Avx512F.InsertVector128(x, Vector128.Load((float*)(row + 4 * stride)), 1);
        x = Avx512F.InsertVector128(x, Vector128.Load((float*)(row + 8 * stride)), 2);
        return Avx512F.InsertVector128(x, Vector128.Load((float*)(row + 12 * stride)), 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fraction(Vector512<float> words, int first, int bits)
    {
        var moved = first > 23 - bits ? words.AsUInt32() >>> (first - (23 - bits)) : words.AsUInt32() << (23 - bits - first);
        return ((moved & Vector512.Create(((1u << bits) - 1) << (23 - bits))) | Vector512.Create(0x3F800000u)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadFractions2(byte* codes, nint index) => Fraction(
        Avx512F.RotateLeftVariable(
            Vector512.Create(((uint*)codes)[(nuint)index >> 4]),
            Vector512.Create(21u, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1, 31, 29, 27, 25, 23)).AsSingle(), 21, 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadFractions4(byte* codes, nint index) => Fraction(
        Avx512F.RotateLeftVariable(
            Vector512.Create(((ulong*)codes)[(nuint)index >> 4]).AsUInt32(),
            Vector512.Create(19u, 19, 15, 15, 11, 11, 7, 7, 3, 3, 31, 31, 27, 27, 23, 23)).AsSingle(), 19, 4);
}
