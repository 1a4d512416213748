using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Elementwise;

/// <summary>4 floats: Arm64, and x86 without AVX2.</summary>
internal readonly unsafe struct FloatLanes128 : IFloatLanes<Vector128<float>>
{
    public static int Count => Vector128<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadBf16(ushort* source) =>
        Vector128.ShiftLeft(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)source).AsUInt16()), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadInt8(sbyte* source) =>
        Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(int*)source).AsSByte())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, float* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> x, Vector128<float> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> x, Vector128<float> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> x, Vector128<float> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Divide(Vector128<float> x, Vector128<float> y) => x / y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> x, Vector128<float> y, Vector128<float> z) => Vector128.MultiplyAddEstimate(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Max(Vector128<float> x, Vector128<float> y) => Vector128.MaxNative(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AtMost(Vector128<float> x, Vector128<float> limit) =>
        Vector128.ConditionalSelect(Vector128.GreaterThan(x, limit), limit, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ZeroWhereBelow(Vector128<float> x, Vector128<float> limit, Vector128<float> value) =>
        Vector128.ConditionalSelect(Vector128.LessThan(x, limit), Vector128<float>.Zero, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> PowerOfTwo(Vector128<float> shifted) =>
        Vector128.ShiftLeft(shifted.AsInt32() + Vector128.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint WhereAbove(Vector128<float> x, Vector128<float> limit) => Vector128.GreaterThan(x, limit).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> x) => Vector128.Sum(x);

    /// <summary>Rows become columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transpose(ref Vector128<float> a, ref Vector128<float> b, ref Vector128<float> c, ref Vector128<float> d)
    {
        var (ac, bd) = (InterleaveLow(a, c), InterleaveLow(b, d));
        var (acHigh, bdHigh) = (InterleaveHigh(a, c), InterleaveHigh(b, d));
        (a, b) = (InterleaveLow(ac, bd), InterleaveHigh(ac, bd));
        (c, d) = (InterleaveLow(acHigh, bdHigh), InterleaveHigh(acHigh, bdHigh));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector128<float> x)
    {
        var pairs = Vector128.MaxNative(x, Vector128.Shuffle(x, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(pairs, Vector128.Shuffle(pairs, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveLow(Vector128<float> x, Vector128<float> y)
    {
        if (Sse.IsSupported)
            return Sse.UnpackLow(x, y);
        if (AdvSimd.Arm64.IsSupported)
            return AdvSimd.Arm64.ZipLow(x, y);
        return Vector128.Create(x[0], y[0], x[1], y[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveHigh(Vector128<float> x, Vector128<float> y)
    {
        if (Sse.IsSupported)
            return Sse.UnpackHigh(x, y);
        if (AdvSimd.Arm64.IsSupported)
            return AdvSimd.Arm64.ZipHigh(x, y);
        return Vector128.Create(x[2], y[2], x[3], y[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(
        byte* rows, nint stride, out Vector128<float> a, out Vector128<float> b, out Vector128<float> c, out Vector128<float> d)
    {
        (a, b) = (Load((float*)rows), Load((float*)(rows + stride)));
        (c, d) = (Load((float*)(rows + 2 * stride)), Load((float*)(rows + 3 * stride)));
        Transpose(ref a, ref b, ref c, ref d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(
        byte** rows, nint offset, out Vector128<float> a, out Vector128<float> b, out Vector128<float> c, out Vector128<float> d)
    {
        (a, b) = (Load((float*)(rows[0] + offset)), Load((float*)(rows[1] + offset)));
        (c, d) = (Load((float*)(rows[2] + offset)), Load((float*)(rows[3] + offset)));
        Transpose(ref a, ref b, ref c, ref d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LowerBf16(Vector128<float> pairs) => Vector128.ShiftLeft(pairs.AsInt32(), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> UpperBf16(Vector128<float> pairs) => (pairs.AsUInt32() & Vector128.Create(0xFFFF0000)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> EvenBytes(Vector128<float> bytes) =>
        Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(bytes.AsInt16(), 8), 8).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> OddBytes(Vector128<float> bytes) => Vector128.ShiftRightArithmetic(bytes.AsInt16(), 8).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddWordProducts(Vector128<float> words, int* pair, Vector128<float> sums)
    {
        if (Sse2.IsSupported)
            return (Sse2.MultiplyAddAdjacent(words.AsInt16(), Vector128.Create(*pair).AsInt16()) + sums.AsInt32()).AsSingle();
        var lower = Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(words.AsInt32(), 16), 16) * (int)(short)*pair;
        var upper = Vector128.ShiftRightArithmetic(words.AsInt32(), 16) * (*pair >> 16);
        return (sums.AsInt32() + lower + upper).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FromIntegers(Vector128<float> integers) => Vector128.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fraction(Vector128<float> words, int first, int bits)
    {
        var moved = first > 23 - bits ? words.AsUInt32() >>> (first - (23 - bits)) : words.AsUInt32() << (23 - bits - first);
        return ((moved & Vector128.Create(((1u << bits) - 1) << (23 - bits))) | Vector128.Create(0x3F800000u)).AsSingle();
    }

    // A product is a shift by as much as each lane needs.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadFractions2(byte* codes, nint index)
    {
        var word = ((uint*)codes)[(nuint)index >> 4] >> 2 * ((int)index & 15);
        return Fraction((Vector128.Create(word) * Vector128.Create(1u << 21, 1u << 19, 1u << 17, 1u << 15)).AsSingle(), 21, 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadFractions4(byte* codes, nint index)
    {
        var pair = (uint*)codes + 2 * ((nuint)index >> 4);
        var first = 2 * ((int)index & 15);
        var words = Vector128.Create(pair[0] >> first, pair[1] >> first, pair[0] >> first, pair[1] >> first);
        return Fraction((words * Vector128.Create(1u << 19, 1u << 19, 1u << 15, 1u << 15)).AsSingle(), 19, 4);
    }
}
