using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>One float: the scalar reference of every kernel, and what finishes the ends of rows after a wider form.</summary>
internal readonly unsafe struct FloatLanes1 : IFloatLanes<float>
{
    public static int Count => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Broadcast(float value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadBf16(ushort* source) => BitConverter.UInt32BitsToSingle((uint)*source << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadInt8(sbyte* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, float* destination) => *destination = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float x, float y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Subtract(float x, float y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Multiply(float x, float y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Divide(float x, float y) => x / y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyAdd(float x, float y, float z) => float.MultiplyAddEstimate(x, y, z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(float x, float y) => x > y ? x : y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float AtMost(float x, float limit) => x > limit ? limit : x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ZeroWhereBelow(float x, float limit, float value) => x < limit ? 0 : value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float PowerOfTwo(float shifted) => BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(shifted) + 127) << 23);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint WhereAbove(float x, float limit) => x > limit ? 1u : 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(float x) => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(float x) => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(byte* rows, nint stride, out float a, out float b, out float c, out float d)
    {
        var row = (float*)rows;
        (a, b, c, d) = (row[0], row[1], row[2], row[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadColumns(byte** rows, nint offset, out float a, out float b, out float c, out float d) =>
        LoadColumns(rows[0] + offset, 0, out a, out b, out c, out d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LowerBf16(float pairs) => FromBits(Bits(pairs) << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float UpperBf16(float pairs) => FromBits(Bits(pairs) & unchecked((int)0xFFFF0000));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float EvenBytes(float bytes) => FromWords((sbyte)Bits(bytes), (sbyte)(Bits(bytes) >> 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float OddBytes(float bytes) => FromWords((sbyte)(Bits(bytes) >> 8), (sbyte)(Bits(bytes) >> 24));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float AddWordProducts(float words, int* pair, float sums) =>
        FromBits(Bits(sums) + (short)Bits(words) * (short)*pair + (Bits(words) >> 16) * (*pair >> 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FromIntegers(float integers) => Bits(integers);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float FromWords(int lower, int upper) => FromBits((lower & 0xFFFF) | (upper << 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Bits(float x) => BitConverter.SingleToInt32Bits(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float FromBits(int bits) => BitConverter.Int32BitsToSingle(bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Fraction(float words, int first, int bits) => Fraction((uint)Bits(words) >> first, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadFractions2(byte* codes, nint index) => Fraction(((uint*)codes)[(nuint)index >> 4] >> 2 * ((int)index & 15), 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadFractions4(byte* codes, nint index) =>
        Fraction(((uint*)codes)[(2 * ((nuint)index >> 4)) + ((nuint)index & 1)] >> 4 * (((int)index & 15) >> 1), 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Fraction(uint word, int bits) => BitConverter.UInt32BitsToSingle(0x3F800000 | ((word & ((1u << bits) - 1)) << (23 - bits)));
}
