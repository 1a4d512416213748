using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Weights of 64 rows, each times its row's scales, as 16-bit numbers without sign: half a unit in 65535 of the largest such product is all
/// that is lost, for every query on its own. The values themselves were rounded far more coarsely.
/// </summary>
internal static unsafe class QuantizedWeights
{
    /// <summary>Of one block: 64 upper and 64 lower bytes of each of four queries.</summary>
    public const int BlockBytes = ValueCode.MostQueries * 2 * RowWindow.BlockRows;

    private const float LargestWord = 65535;
    private const uint LargestFinite = 0x7F7FFFFF;

    // Below this 65535 divided by it may be infinite.
    private const float Smallest = 1e-33f;

    /// <summary><see cref="TryMeasure"/> and <see cref="Pack(float*, nint, int, float*, ValueTuple{int, int}, byte*, float*)"/>.</summary>
    [SkipLocalsInit]
    public static bool TryQuantize(float* weights, nint stride, int queryCount, float* scales, (int Count, int Stride) blocks, byte* quantized, float* units)
    {
        var inverses = stackalloc float[ValueCode.MostQueries];
        if (!TryMeasure(weights, stride, queryCount, scales, blocks, units, inverses))
            return false;
        Pack(weights, stride, queryCount, scales, blocks, quantized, inverses);
        return true;
    }

    /// <summary>
    /// The first half: what 1 is to stand for. False, if there is a product that this format has no number for: NaN, infinite, negative, or none but very small
    /// ones. It is long in coming, so that other work is to be done before the second half.
    /// </summary>
    /// <param name="weights">[queryCount, 64]: 0 past the last row.</param>
    /// <param name="stride">Elements from one query to the next.</param>
    /// <param name="queryCount">1 to 4.</param>
    /// <param name="scales">From <see cref="RowScales"/>.</param>
    /// <param name="blocks">In a row, and floats from the scales of one to those of the next.</param>
    /// <param name="units">[4]: what 1 stands for.</param>
    /// <param name="inverses">[4]</param>
    [SkipLocalsInit]
    public static bool TryMeasure(float* weights, nint stride, int queryCount, float* scales, (int Count, int Stride) blocks, float* units, float* inverses)
    {
        var rowScales = stackalloc float[RowWindow.BlockRows];
        LargestScales(scales, blocks, rowScales);
        var quarters = stackalloc Vector128<uint>[ValueCode.MostQueries];
        new Span<Vector128<uint>>(quarters, ValueCode.MostQueries).Clear();
        for (var q = 0; q < queryCount; q++)
            quarters[q] = Reduction.Quarter(LargestBits(weights + q * stride, rowScales));
        var largest = Reduction.Largest(quarters[0], quarters[1], quarters[2], quarters[3]);
        var isZero = Vector128.Equals(largest, Vector128<uint>.Zero);
        // As an integer, anything negative is above all that is finite.
        var isUnfit = Vector128.GreaterThan(largest, Vector128.Create(LargestFinite)) |
            Vector128.AndNot(Vector128.LessThan(largest.AsSingle(), Vector128.Create(Smallest)).AsUInt32(), isZero);
        if (isUnfit != Vector128<uint>.Zero)
            return false;
        (largest.AsSingle() * Vector128.Create(1 / LargestWord)).Store(units);
        Vector128.AndNot(Vector128.Create(LargestWord) / largest.AsSingle(), isZero.AsSingle()).Store(inverses);
        return true;
    }

    /// <summary>
    /// The second half: four weights of consecutive rows lie side by side, for rows 16 j + 4 i at 16 i + 4 j: so they leave the instructions that pack them.
    /// </summary>
    /// <param name="quantized">[block], <see cref="BlockBytes"/> each.</param>
    public static void Pack(float* weights, nint stride, int queryCount, float* scales, (int Count, int Stride) blocks, byte* quantized, float* inverses)
    {
        for (var q = 0; q < queryCount; q++)
            Pack(weights + q * stride, inverses[q], scales, blocks, quantized + q * 2 * RowWindow.BlockRows);
    }

    // As integers, so that NaN is the largest.
    private static void LargestScales(float* scales, (int Count, int Stride) blocks, float* largest)
    {
        for (var r = 0; r < RowWindow.BlockRows; r += Vector512<uint>.Count)
        {
            var rows = Vector512.Load((uint*)scales + r);
            for (var block = 1; block < blocks.Count; block++)
                rows = Vector512.Max(rows, Vector512.Load((uint*)scales + block * blocks.Stride + r));
            rows.AsSingle().Store(largest + r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> LargestBits(float* weights, float* scales)
    {
        var (a, b) = (Product(weights, scales, 0).AsUInt32(), Product(weights, scales, 16).AsUInt32());
        var (c, d) = (Product(weights, scales, 32).AsUInt32(), Product(weights, scales, 48).AsUInt32());
        return Vector512.Max(Vector512.Max(a, b), Vector512.Max(c, d));
    }

    // A weight times the inverse may be infinite only where it meets a scale so small that nothing is left of the product.
    private static void Pack(float* weights, float inverse, float* scales, (int Count, int Stride) blocks, byte* bytes)
    {
        var factor = Vector512.Create(inverse);
        var (a, b) = (Vector512.Load(weights) * factor, Vector512.Load(weights + 16) * factor);
        var (c, d) = (Vector512.Load(weights + 32) * factor, Vector512.Load(weights + 48) * factor);
        for (var block = 0; block < blocks.Count; block++, scales += blocks.Stride, bytes += BlockBytes)
        {
            var first = Avx512BW.PackUnsignedSaturate(Rounded(a, scales), Rounded(b, scales + 16));
            var second = Avx512BW.PackUnsignedSaturate(Rounded(c, scales + 32), Rounded(d, scales + 48));
            var (upper, upperNext) = (Vector512.ShiftRightLogical(first, 8), Vector512.ShiftRightLogical(second, 8));
            var (lower, lowerNext) = (first & Vector512.Create((ushort)0xFF), second & Vector512.Create((ushort)0xFF));
            Avx512BW.PackUnsignedSaturate(upper.AsInt16(), upperNext.AsInt16()).Store(bytes);
            Avx512BW.PackUnsignedSaturate(lower.AsInt16(), lowerNext.AsInt16()).Store(bytes + RowWindow.BlockRows);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Rounded(Vector512<float> weights, float* scales) => Avx512F.ConvertToVector512Int32(weights * Vector512.Load(scales));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Product(float* weights, float* scales, nint at) => Vector512.Load(weights + at) * Vector512.Load(scales + at);
}
