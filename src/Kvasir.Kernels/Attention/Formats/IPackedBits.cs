using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Elements of few bits, and their order in memory: what kernels of packed rows are closed over.</summary>
internal unsafe interface IPackedBits
{
    /// <summary>Of a plane.</summary>
    static abstract int Bits { get; }

    /// <summary>1 or 2.</summary>
    static virtual int Planes => 1;

    /// <summary>What is taken off codes / 2^(Bits * Planes) before they are multiplied by a scale.</summary>
    static virtual float Shift => 0;

    /// <summary>What <see cref="Load"/> gives for the least element of a group.</summary>
    static virtual float Origin => 1;

    /// <summary>Which 32 bits of a row's plane an element lies in, and from which bit on.</summary>
    static abstract (int Word, int Shift) Place(int element);

    /// <summary>1 + code / 2^Bits of the elements [index, index + TLanes.Count); of two planes, that and a 16th of what the lower one gives.</summary>
    /// <param name="codes">Of a row.</param>
    /// <param name="lower">Bytes from there to its codes in the lower plane.</param>
    static abstract V Load<TLanes, V>(byte* codes, nint lower, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;

    /// <summary>Adds the products of 64 bits of each lane's row with four queries: elements that follow one another.</summary>
    /// <param name="low">The first 32 bits.</param>
    /// <param name="high">Those behind.</param>
    /// <param name="queries">Of the first element; an element of the next query lies <paramref name="stride"/> floats on.</param>
    /// <returns>The first element of what follows.</returns>
    static abstract float* AddProducts<TLanes, V>(V low, V high, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;

    /// <summary>The same of both planes, where there are two.</summary>
    static virtual float* AddProducts<TLanes, V>((V Low, V High) upper, (V Low, V High) lower, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => throw new InvalidOperationException("there is one plane");
}

/// <summary>Sums of four queries, two of each: one would wait for its own latency.</summary>
internal struct PackedSums<V>
    where V : struct
{
    public V A, B, C, D, E, F, G, H;
}

/// <summary>16 elements in 32 bits, the first one lowest.</summary>
internal readonly unsafe struct TwoBits : IPackedBits
{
    public static int Bits => 2;

    public static (int Word, int Shift) Place(int element) => (element / 16, 2 * (element % 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* codes, nint lower, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => TLanes.LoadFractions2(codes, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* AddProducts<TLanes, V>(V low, V high, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        AddWord<TLanes, V>(low, queries, stride, ref sums);
        AddWord<TLanes, V>(high, queries + 16, stride, ref sums);
        return queries + 32;
    }

    private static void AddWord<TLanes, V>(V word, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var s = sums;
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 0, 2), TLanes.Fraction(word, 2, 2), queries, queries + 1, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 4, 2), TLanes.Fraction(word, 6, 2), queries + 2, queries + 3, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 8, 2), TLanes.Fraction(word, 10, 2), queries + 4, queries + 5, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 12, 2), TLanes.Fraction(word, 14, 2), queries + 6, queries + 7, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 16, 2), TLanes.Fraction(word, 18, 2), queries + 8, queries + 9, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 20, 2), TLanes.Fraction(word, 22, 2), queries + 10, queries + 11, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 24, 2), TLanes.Fraction(word, 26, 2), queries + 12, queries + 13, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(word, 28, 2), TLanes.Fraction(word, 30, 2), queries + 14, queries + 15, stride, ref s);
        sums = s;
    }
}

/// <summary>16 elements in 64 bits: the even ones in the lower half, the first one lowest, the odd ones in the upper.</summary>
internal readonly unsafe struct FourBits : IPackedBits
{
    public static int Bits => 4;

    public static (int Word, int Shift) Place(int element) => (2 * (element / 16) + (element & 1), 4 * (element % 16 / 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<TLanes, V>(byte* codes, nint lower, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct => TLanes.LoadFractions4(codes, index);

    public static float* AddProducts<TLanes, V>(V low, V high, float* queries, nint stride, ref PackedSums<V> sums)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var s = sums;
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 0, 4), TLanes.Fraction(high, 0, 4), queries, queries + 1, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 4, 4), TLanes.Fraction(high, 4, 4), queries + 2, queries + 3, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 8, 4), TLanes.Fraction(high, 8, 4), queries + 4, queries + 5, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 12, 4), TLanes.Fraction(high, 12, 4), queries + 6, queries + 7, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 16, 4), TLanes.Fraction(high, 16, 4), queries + 8, queries + 9, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 20, 4), TLanes.Fraction(high, 20, 4), queries + 10, queries + 11, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 24, 4), TLanes.Fraction(high, 24, 4), queries + 12, queries + 13, stride, ref s);
        PackedProducts<TLanes, V>.Add(TLanes.Fraction(low, 28, 4), TLanes.Fraction(high, 28, 4), queries + 14, queries + 15, stride, ref s);
        sums = s;
        return queries + 16;
    }
}

/// <summary>Two elements of each lane's row times those of four queries.</summary>
internal static unsafe class PackedProducts<TLanes, V>
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(V first, V second, float* x, float* y, nint stride, ref PackedSums<V> s)
    {
        s.A = TLanes.MultiplyAdd(first, TLanes.Broadcast(*x), s.A);
        s.B = TLanes.MultiplyAdd(first, TLanes.Broadcast(x[stride]), s.B);
        s.C = TLanes.MultiplyAdd(first, TLanes.Broadcast(x[2 * stride]), s.C);
        s.D = TLanes.MultiplyAdd(first, TLanes.Broadcast(x[3 * stride]), s.D);
        s.E = TLanes.MultiplyAdd(second, TLanes.Broadcast(*y), s.E);
        s.F = TLanes.MultiplyAdd(second, TLanes.Broadcast(y[stride]), s.F);
        s.G = TLanes.MultiplyAdd(second, TLanes.Broadcast(y[2 * stride]), s.G);
        s.H = TLanes.MultiplyAdd(second, TLanes.Broadcast(y[3 * stride]), s.H);
    }
}
