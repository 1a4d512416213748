using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Up to four queries as 16-bit integers with one scale each: half a unit in 32767 of the query's largest element is all that is lost. Upper
/// bytes have a sign, lower ones have none.
/// </summary>
internal static unsafe class QuantizedQueries
{
    /// <summary>Of one block: 4 x 32 upper bytes, 4 x 32 lower ones, and 4 integers to begin sums with.</summary>
    public const int BlockBytes = StartsAt + 64;

    /// <summary>Where the lower bytes of a block stand.</summary>
    public const int LowerAt = ScoreCode.MostQueries * RowBlocks.Elements;

    /// <summary>Where the integers stand: -128 times the sum of a query's upper bytes, since keys are raised by 128 before they meet them.</summary>
    public const int StartsAt = 2 * LowerAt;

    private const int LargestWord = 32767;
    private const int KeyBias = 128;
    private const float SmallestScale = 1e-35f;

    /// <summary>Bytes of four prepared queries: the blocks, and the scales behind them.</summary>
    public static int Bytes(int blockCount) => blockCount * BlockBytes + CacheLines.Bytes;

    /// <param name="queries">[count, dim].</param>
    /// <param name="count">1 to 4.</param>
    /// <param name="dim">Elements.</param>
    /// <param name="factor">Multiplied into every score.</param>
    /// <param name="prepared"><see cref="Bytes"/>.</param>
    public static void Prepare(float* queries, int count, int dim, float factor, byte* prepared)
    {
        var scales = (float*)(prepared + RowBlocks.Count(dim) * BlockBytes);
        for (var q = 0; q < count; q++, queries += dim)
        {
            var largest = Largest(queries, dim);
            var scale = largest / LargestWord;
            Round(queries, dim, scale > SmallestScale ? 1 / scale : 0, prepared + q * RowBlocks.Elements, (int*)(prepared + StartsAt) + q);
            // NaN, or an infinity, minus itself is NaN.
            scales[q] = scale * factor + (largest - largest);
        }
    }

    [SkipLocalsInit]
    private static float Largest(float* query, int dim)
    {
        var edge = stackalloc float[RowBlocks.Elements];
        var largest = Vector512<uint>.Zero;
        for (var d = 0; d < dim; d += RowBlocks.Elements)
        {
            var block = (uint*)Block(query, d, dim, edge);
            // Magnitudes compare as integers, and NaN as the largest of them.
            largest = Vector512.Max(largest, Vector512.Load(block) & Vector512.Create(0x7FFFFFFFu));
            largest = Vector512.Max(largest, Vector512.Load(block + 16) & Vector512.Create(0x7FFFFFFFu));
        }

        return BitConverter.UInt32BitsToSingle(Reduction.Largest(Reduction.Quarter(largest)));
    }

    [SkipLocalsInit]
    private static void Round(float* query, int dim, float inverse, byte* upper, int* start)
    {
        var edge = stackalloc float[RowBlocks.Elements];
        var factor = Vector512.Create(inverse);
        for (var d = 0; d < dim; d += RowBlocks.Elements, upper += BlockBytes, start += BlockBytes / sizeof(int))
        {
            var block = Block(query, d, dim, edge);
            var first = Avx512F.ConvertToVector512Int32(Vector512.Load(block) * factor);
            var second = Avx512F.ConvertToVector512Int32(Vector512.Load(block + 16) * factor);
            var words = Vector512.Narrow(first, second);
            var upperWords = Vector512.ShiftRightArithmetic(words, 8);
            Avx512BW.ConvertToVector256SByte(upperWords).Store((sbyte*)upper);
            Avx512BW.ConvertToVector256SByte(words).Store((sbyte*)(upper + LowerAt));
            *start = -KeyBias * Vector512.Sum(Avx512BW.MultiplyAddAdjacent(upperWords, Vector512<short>.One));
        }
    }

    // Elements past the end count as zeros.
    private static float* Block(float* query, int d, int dim, float* edge)
    {
        if (d + RowBlocks.Elements <= dim)
            return query + d;
        new Span<float>(edge, RowBlocks.Elements).Clear();
        new ReadOnlySpan<float>(query + d, dim - d).CopyTo(new Span<float>(edge, RowBlocks.Elements));
        return edge;
    }
}
