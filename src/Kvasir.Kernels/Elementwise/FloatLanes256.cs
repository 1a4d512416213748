using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Elementwise;

/// <summary>8 floats. Only x86 accelerates <c>Vector256</c>, so its own instructions may be named here.</summary>
internal readonly unsafe struct FloatLanes256 : IFloatLanes<Vector256<float>>
{
    public static int Count => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBf16(ushort* source) =>
        Vector256.ShiftLeft(Avx2.ConvertToVector256Int32(source), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadInt8(sbyte* source) => Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, float* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> x, Vector256<float> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> x, Vector256<float> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> x, Vector256<float> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> x, Vector256<float> y) => x / y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> x, Vector256<float> y, Vector256<float> z) => Vector256.MultiplyAddEstimate(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Max(Vector256<float> x, Vector256<float> y) => Vector256.MaxNative(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AtMost(Vector256<float> x, Vector256<float> limit) =>
        Vector256.ConditionalSelect(Vector256.GreaterThan(x, limit), limit, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ZeroWhereBelow(Vector256<float> x, Vector256<float> limit, Vector256<float> value) =>
        Vector256.ConditionalSelect(Vector256.LessThan(x, limit), Vector256<float>.Zero, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> PowerOfTwo(Vector256<float> shifted) =>
        Vector256.ShiftLeft(shifted.AsInt32() + Vector256.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint WhereAbove(Vector256<float> x, Vector256<float> limit) => Vector256.GreaterThan(x, limit).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> x) => Vector256.Sum(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector256<float> x) => FloatLanes128.Largest(FloatLanes128.Max(x.GetLower(), x.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(
        byte* rows, nint stride, out Vector256<float> a, out Vector256<float> b, out Vector256<float> c, out Vector256<float> d)
    {
        // Half h of register r is row 4h + r, so that transposing within halves leaves rows in order.
        var (w, x) = (Halves(rows, stride), Halves(rows + stride, stride));
        var (y, z) = (Halves(rows + 2 * stride, stride), Halves(rows + 3 * stride, stride));
        Transpose(w, x, y, z, out a, out b, out c, out d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(byte** rows, nint offset, out Vector256<float> a, out Vector256<float> b, out Vector256<float> c, out Vector256<float> d)
    {
        var (w, x) = (Halves(rows, offset), Halves(rows + 1, offset));
        var (y, z) = (Halves(rows + 2, offset), Halves(rows + 3, offset));
        Transpose(w, x, y, z, out a, out b, out c, out d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LowerBf16(Vector256<float> pairs) => Vector256.ShiftLeft(pairs.AsInt32(), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> UpperBf16(Vector256<float> pairs) => (pairs.AsUInt32() & Vector256.Create(0xFFFF0000)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> EvenBytes(Vector256<float> bytes) =>
        Vector256.ShiftRightArithmetic(Vector256.ShiftLeft(bytes.AsInt16(), 8), 8).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> OddBytes(Vector256<float> bytes) => Vector256.ShiftRightArithmetic(bytes.AsInt16(), 8).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddWordProducts(Vector256<float> words, int* pair, Vector256<float> sums) =>
        (Avx2.MultiplyAddAdjacent(words.AsInt16(), Vector256.Create(*pair).AsInt16()) + sums.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromIntegers(Vector256<float> integers) => Vector256.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(byte** rows, nint offset) =>
        Vector256.Create(Vector128.Load((float*)(rows[0] + offset)), Vector128.Load((float*)(rows[4] + offset)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(
        Vector256<float> w, Vector256<float> x, Vector256<float> y, Vector256<float> z,
        out Vector256<float> a, out Vector256<float> b, out Vector256<float> c, out Vector256<float> d)
    {
        var (low, lowNext) = (Avx.UnpackLow(w, x).AsDouble(), Avx.UnpackLow(y, z).AsDouble());
        var (high, highNext) = (Avx.UnpackHigh(w, x).AsDouble(), Avx.UnpackHigh(y, z).AsDouble());
        a = Avx.UnpackLow(low, lowNext).AsSingle();
        b = Avx.UnpackHigh(low, lowNext).AsSingle();
        c = Avx.UnpackLow(high, highNext).AsSingle();
        d = Avx.UnpackHigh(high, highNext).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(byte* row, nint stride) =>
        Vector256.Create(Vector128.Load((float*)row), Vector128.Load((float*)(row + 4 * stride)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fraction(Vector256<float> words, int first, int bits)
    {
        var moved = first > 23 - bits ? words.AsUInt32() >>> (first - (23 - bits)) : words.AsUInt32() << (23 - bits - first);
        return ((moved & Vector256.Create(((1u << bits) - 1) << (23 - bits))) | Vector256.Create(0x3F800000u)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadFractions2(byte* codes, nint index)
    {
        var word = ((uint*)codes)[(nuint)index >> 4] >> 2 * ((int)index & 15);
        return Fraction(Avx2.ShiftLeftLogicalVariable(Vector256.Create(word), Vector256.Create(21u, 19, 17, 15, 13, 11, 9, 7)).AsSingle(), 21, 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadFractions4(byte* codes, nint index)
    {
        var words = Vector256.Create(((ulong*)codes)[(nuint)index >> 4]).AsUInt32() >>> 2 * ((int)index & 15);
        return Fraction(Avx2.ShiftLeftLogicalVariable(words, Vector256.Create(19u, 19, 15, 15, 11, 11, 7, 7)).AsSingle(), 19, 4);
    }
}
