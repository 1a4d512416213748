using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>
/// Arithmetic on <see cref="Count"/> floats at once, so that a kernel is written once and compiled for every vector width, and
/// for one float as its own reference. Implementations are empty structs: the JIT sees through them.
/// </summary>
/// <typeparam name="V">The register: <c>Vector512&lt;float&gt;</c> down to <c>float</c>.</typeparam>
internal unsafe interface IFloatLanes<V>
    where V : struct
{
    /// <summary>Floats in one <typeparamref name="V"/>.</summary>
    static abstract int Count { get; }

    static abstract V Broadcast(float value);

    static abstract V Load(float* source);

    /// <summary>Widens bfloat16: the upper half of a float.</summary>
    static abstract V LoadBf16(ushort* source);

    static abstract V LoadInt8(sbyte* source);

    static abstract void Store(V value, float* destination);

    static abstract V Add(V x, V y);

    static abstract V Subtract(V x, V y);

    static abstract V Multiply(V x, V y);

    static abstract V Divide(V x, V y);

    /// <summary>x * y + z, rounded once where the machine can.</summary>
    static abstract V MultiplyAdd(V x, V y, V z);

    static abstract V Max(V x, V y);

    /// <summary>The smaller of the two; NaN when <paramref name="x"/> is NaN.</summary>
    static abstract V AtMost(V x, V limit);

    /// <summary>0 where <paramref name="x"/> is below <paramref name="limit"/>, otherwise <paramref name="value"/>.</summary>
    static abstract V ZeroWhereBelow(V x, V limit, V value);

    /// <summary>2^n, given 1.5 * 2^23 + n, whose low mantissa bits are n; n in [-126, 128], 128 giving infinity.</summary>
    static abstract V PowerOfTwo(V shifted);

    /// <summary>Bit i is set where lane i of <paramref name="x"/> is above that of <paramref name="limit"/>; a NaN never is.</summary>
    static abstract uint WhereAbove(V x, V limit);

    static abstract float Sum(V x);

    static abstract float Largest(V x);

    /// <summary>
    /// Reads 16 bytes of each of <see cref="Count"/> rows, <paramref name="stride"/> bytes apart, and transposes them: lane i of the four
    /// results holds the first, second, third and fourth 32 bits of row i, as they are.
    /// </summary>
    static abstract void LoadColumns(byte* rows, nint stride, out V a, out V b, out V c, out V d);

    /// <summary>As above, for the 16 bytes at <paramref name="offset"/> of rows that lie anywhere.</summary>
    static abstract void LoadColumns(byte** rows, nint offset, out V a, out V b, out V c, out V d);

    /// <summary>The lower 16 bits of each lane as bfloat16, widened.</summary>
    static abstract V LowerBf16(V pairs);

    /// <summary>The upper 16 bits of each lane as bfloat16, widened.</summary>
    static abstract V UpperBf16(V pairs);

    /// <summary>Of four signed bytes in a lane the first and the third, as two signed words in its place.</summary>
    static abstract V EvenBytes(V bytes);

    /// <summary>Of four signed bytes in a lane the second and the fourth, as two signed words in its place.</summary>
    static abstract V OddBytes(V bytes);

    /// <summary>In 32-bit integers: <paramref name="sums"/> plus both products of a lane's two words with the two words at <paramref name="pair"/>.</summary>
    static abstract V AddWordProducts(V words, int* pair, V sums);

    /// <summary>Lanes of 32-bit integers as floats.</summary>
    static abstract V FromIntegers(V integers);

    /// <summary>1 + n / 2^<paramref name="bits"/>, n being the bits [<paramref name="first"/>, first + bits) of each lane. Both are constants.</summary>
    static abstract V Fraction(V words, int first, int bits);

    /// <summary>
    /// The same of elements [index, index + Count) of 2 bits: 16 of them lie in 32 bits, the first one lowest; index is a multiple of Count.
    /// </summary>
    static abstract V LoadFractions2(byte* codes, nint index);

    /// <summary>
    /// The same of elements of 4 bits: of 16 of them the even ones lie in 32 bits, the first one lowest, and the odd ones in the 32 bits behind those.
    /// </summary>
    static abstract V LoadFractions4(byte* codes, nint index);
}
