using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>
/// Arithmetic on <see cref="Count"/> floats at once, so that a kernel is written once and compiled for every vector width, and
/// for one float as its own reference. Implementations are empty structs: the JIT sees through them.
/// </summary>
/// <typeparam name="V">The register: <c>Vector512&lt;float&gt;</c> down to <c>float</c>.</typeparam>
internal unsafe interface ILanes<V>
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

    static abstract float Sum(V x);

    /// <summary>(sum of a, sum of b, sum of c, sum of d): four reductions for little more than the price of one.</summary>
    static abstract Vector128<float> Sum4(V a, V b, V c, V d);

    static abstract float Largest(V x);
}
