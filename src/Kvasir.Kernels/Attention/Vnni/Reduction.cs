using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>The largest of a vector's integers without sign, and the sum of its floats.</summary>
internal static class Reduction
{
    /// <summary>Four numbers, the largest of which is the vector's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Quarter(Vector512<uint> x)
    {
        var half = Vector256.Max(x.GetLower(), x.GetUpper());
        return Vector128.Max(half.GetLower(), half.GetUpper());
    }

    /// <summary>The largest of four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Largest(Vector128<uint> x)
    {
        x = Vector128.Max(x, Vector128.Shuffle(x, Vector128.Create(2u, 3, 0, 1)));
        return Math.Max(x[0], x[1]);
    }

    /// <summary>The largest of each of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Largest(Vector128<uint> a, Vector128<uint> b, Vector128<uint> c, Vector128<uint> d)
    {
        var first = Vector128.Max(Sse2.UnpackLow(a, b), Sse2.UnpackHigh(a, b)).AsUInt64();
        var second = Vector128.Max(Sse2.UnpackLow(c, d), Sse2.UnpackHigh(c, d)).AsUInt64();
        return Vector128.Max(Sse2.UnpackLow(first, second).AsUInt32(), Sse2.UnpackHigh(first, second).AsUInt32());
    }

    /// <summary>Four numbers, whose sum is the vector's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Quarter(Vector512<float> x)
    {
        var half = x.GetLower() + x.GetUpper();
        return half.GetLower() + half.GetUpper();
    }

    /// <summary>The sum of each of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sum(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d)
    {
        var first = (Sse.UnpackLow(a, b) + Sse.UnpackHigh(a, b)).AsDouble();
        var second = (Sse.UnpackLow(c, d) + Sse.UnpackHigh(c, d)).AsDouble();
        return Sse2.UnpackLow(first, second).AsSingle() + Sse2.UnpackHigh(first, second).AsSingle();
    }
}
