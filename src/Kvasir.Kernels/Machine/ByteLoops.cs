using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Machine;

/// <summary>
/// Multiply-adds of bytes into 32-bit sums, as a product of quantised matrices does them: one operand comes from the first-level cache,
/// the other is a register.
/// </summary>
internal static unsafe class ByteLoops
{
    private const int Sums = 8;
    private const int VectorBytes = 64;

    private static int _sink;

    public static MultiplyAddLoop[] All =>
    [
        new("512-bit VPMADDUBSW", Vector512.IsHardwareAccelerated && Avx512BW.IsSupported, 2 * Sums * 64, Run512),
        new("256-bit VPDPBUSD", AvxVnni.IsSupported, 2 * Sums * 32, RunVnni256),
        new("256-bit VPMADDUBSW", Avx2.IsSupported, 2 * Sums * 32, Run256),
        new("SDOT", Dp.IsSupported, 2 * Sums * 16, RunDot128),
    ];

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Run512(long turns)
    {
        var block = stackalloc byte[(Sums + 1) * VectorBytes];
        var (x, ones) = (Vector512.Create((sbyte)(_sink + 1)), Vector512.Create((short)(_sink + 1)));
        var (a, b, c, d) = (Vector512<int>.Zero, Vector512<int>.Zero, Vector512<int>.Zero, Vector512<int>.Zero);
        var (e, f, g, h) = (a, b, c, d);
        for (var turn = 0L; turn < turns; turn++)
        {
            // The compiler must not see that the block is the same in every turn.
            var p = block + ((turn & 1) * VectorBytes);
            a += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p), x), ones);
            b += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p + VectorBytes), x), ones);
            c += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p + (2 * VectorBytes)), x), ones);
            d += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p + (3 * VectorBytes)), x), ones);
            e += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p + (4 * VectorBytes)), x), ones);
            f += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p + (5 * VectorBytes)), x), ones);
            g += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p + (6 * VectorBytes)), x), ones);
            h += Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(p + (7 * VectorBytes)), x), ones);
        }

        Keep(Vector512.Sum(a + b + c + d + e + f + g + h));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Run256(long turns)
    {
        var block = stackalloc byte[(Sums + 1) * VectorBytes];
        var (x, ones) = (Vector256.Create((sbyte)(_sink + 1)), Vector256.Create((short)(_sink + 1)));
        var (a, b, c, d) = (Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero);
        var (e, f, g, h) = (a, b, c, d);
        for (var turn = 0L; turn < turns; turn++)
        {
            var p = block + ((turn & 1) * VectorBytes);
            a += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p), x), ones);
            b += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p + 32), x), ones);
            c += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p + 64), x), ones);
            d += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p + 96), x), ones);
            e += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p + 128), x), ones);
            f += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p + 160), x), ones);
            g += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p + 192), x), ones);
            h += Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(p + 224), x), ones);
        }

        Keep(Vector256.Sum(a + b + c + d + e + f + g + h));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void RunVnni256(long turns)
    {
        var block = stackalloc byte[(Sums + 1) * VectorBytes];
        var x = Vector256.Create((sbyte)(_sink + 1));
        var (a, b, c, d) = (Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero);
        var (e, f, g, h) = (a, b, c, d);
        for (var turn = 0L; turn < turns; turn++)
        {
            var p = block + ((turn & 1) * VectorBytes);
            a = AvxVnni.MultiplyWideningAndAdd(a, Vector256.Load(p), x);
            b = AvxVnni.MultiplyWideningAndAdd(b, Vector256.Load(p + 32), x);
            c = AvxVnni.MultiplyWideningAndAdd(c, Vector256.Load(p + 64), x);
            d = AvxVnni.MultiplyWideningAndAdd(d, Vector256.Load(p + 96), x);
            e = AvxVnni.MultiplyWideningAndAdd(e, Vector256.Load(p + 128), x);
            f = AvxVnni.MultiplyWideningAndAdd(f, Vector256.Load(p + 160), x);
            g = AvxVnni.MultiplyWideningAndAdd(g, Vector256.Load(p + 192), x);
            h = AvxVnni.MultiplyWideningAndAdd(h, Vector256.Load(p + 224), x);
        }

        Keep(Vector256.Sum(a + b + c + d + e + f + g + h));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void RunDot128(long turns)
    {
        var block = stackalloc sbyte[(Sums + 1) * VectorBytes];
        var x = Vector128.Create((sbyte)(_sink + 1));
        var (a, b, c, d) = (Vector128<int>.Zero, Vector128<int>.Zero, Vector128<int>.Zero, Vector128<int>.Zero);
        var (e, f, g, h) = (a, b, c, d);
        for (var turn = 0L; turn < turns; turn++)
        {
            var p = block + ((turn & 1) * VectorBytes);
            a = Dp.DotProduct(a, Vector128.Load(p), x);
            b = Dp.DotProduct(b, Vector128.Load(p + 16), x);
            c = Dp.DotProduct(c, Vector128.Load(p + 32), x);
            d = Dp.DotProduct(d, Vector128.Load(p + 48), x);
            e = Dp.DotProduct(e, Vector128.Load(p + 64), x);
            f = Dp.DotProduct(f, Vector128.Load(p + 80), x);
            g = Dp.DotProduct(g, Vector128.Load(p + 96), x);
            h = Dp.DotProduct(h, Vector128.Load(p + 112), x);
        }

        Keep(Vector128.Sum(a + b + c + d + e + f + g + h));
    }

    // The block is zero, and so are the sums.
    private static void Keep(int sum)
    {
        if (sum != 0)
            _sink = sum;
    }
}
