using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Up to four queries times the scales of a page's channels, as 16-bit integers with one unit each, in two planes of bytes: half a unit in 32767 of the largest
/// product is all that is lost, where rounding the keys to 4 bits loses a thousand times as much. Upper bytes have a sign, lower ones have none.
/// </summary>
internal static unsafe class PackedQueries<TBits>
    where TBits : struct, IPackedBits
{
    private const int Width = 16;
    private const int Block = RowBlocks.Elements;
    private const float LargestWord = 32767;
    private const float Smallest = 1e-33f;

    // Units, biases and inverses lie before the products.
    private const int HeadLines = 1;
    private const int HeadFloats = HeadLines * CacheLines.Bytes / sizeof(float);

    // The elements of a turn.
    private static readonly int TurnElements = PackedScoreCode.TurnBytes * 8 / TBits.Bits;

    // Where the bytes of 32 elements come from, that lie in four bytes each: the upper ones in the order in which codes stand, then the lower ones.
    private static readonly Vector512<byte> Order = MakeOrder();

    /// <summary>Bytes that prepared queries take.</summary>
    public static int Bytes(int padded) => 2 * ScoreCode.MostQueries * padded;

    /// <summary>Whether rows of so many elements are whole turns.</summary>
    public static bool Suits(int padded) => padded % TurnElements == 0;

    /// <summary>Bytes of the space of <see cref="Scale"/>, whole lines of memory.</summary>
    public static int ScaledBytes(int padded) => (CacheLines.Bytes * HeadLines) + (ScoreCode.MostQueries * padded * sizeof(float));

    /// <summary>[4] of such a space: what 1 of a query's sums stands for.</summary>
    public static float* Units(float* space) => space;

    /// <summary>[4] of such a space: what least elements add to every score.</summary>
    public static float* Biases(float* space) => space + ScoreCode.MostQueries;

    /// <summary>
    /// The first half of preparing: products of queries and scales, and their largest. What it ends in is long in coming, so that the kernels of other pages
    /// are to run between it and the second half.
    /// </summary>
    /// <param name="queries">[4, padded]</param>
    /// <param name="ranges">Of every channel, as <see cref="PackedRange"/> stores them.</param>
    /// <param name="space"><see cref="ScaledBytes"/>.</param>
    [SkipLocalsInit]
    public static void Scale(float* queries, int queryCount, int padded, uint* ranges, float* space)
    {
        var scaled = space + HeadFloats;
        var most = stackalloc Vector128<uint>[ScoreCode.MostQueries];
        var bias = stackalloc Vector128<float>[ScoreCode.MostQueries];
        // Two at a time, so that ranges are taken apart once for both; those behind the last are zeros.
        for (var q = 0; q < queryCount; q += 2)
            Multiply(queries + (q * padded), padded, ranges, scaled + (q * padded), most + q, bias + q);
        if (queryCount <= 2)
            (most[2], most[3], bias[2], bias[3]) = (default, default, default, default);
        var largest = Reduction.Largest(most[0], most[1], most[2], most[3]).AsSingle();
        Reduction.Sum(bias[0], bias[1], bias[2], bias[3]).Store(Biases(space));
        // NaN, or an infinity, minus itself is NaN. A code stands for a part of its channel's scale.
        ((largest * Vector128.Create(1 / LargestWord / (1 << TBits.Bits))) + (largest - largest)).Store(Units(space));
        var isFit = Vector128.GreaterThan(largest, Vector128.Create(Smallest));
        (isFit & (Vector128.Create(LargestWord) / largest)).Store(Inverses(space));
    }

    /// <summary>The second half.</summary>
    /// <param name="prepared"><see cref="Bytes"/>: for every turn upper bytes of four queries, and then lower ones.</param>
    public static void Round(float* space, int queryCount, int padded, byte* prepared)
    {
        for (var q = 0; q < queryCount; q++)
            RoundOne(space + HeadFloats + (q * padded), padded, Inverses(space)[q], prepared, q);
    }

    private static float* Inverses(float* space) => space + (2 * ScoreCode.MostQueries);

    private static void Multiply(float* queries, int padded, uint* ranges, float* scaled, Vector128<uint>* most, Vector128<float>* bias)
    {
        var (firstBias, secondBias) = (Vector512<float>.Zero, Vector512<float>.Zero);
        var (firstMost, secondMost) = (Vector512<uint>.Zero, Vector512<uint>.Zero);
        for (nint d = 0; d < padded; d += Width)
        {
            var range = Vector512.Load(ranges + d);
            var scale = (range << 16).AsSingle();
            var least = (range & Vector512.Create(0xFFFF0000)).AsSingle();
            if (TBits.Planes == 2)
                least = Vector512.FusedMultiplyAdd(scale, Vector512.Create(-TBits.Shift), least);
            var (first, second) = (Vector512.Load(queries + d), Vector512.Load(queries + padded + d));
            firstBias = Vector512.FusedMultiplyAdd(first, least, firstBias);
            secondBias = Vector512.FusedMultiplyAdd(second, least, secondBias);
            (first, second) = (first * scale, second * scale);
            first.Store(scaled + d);
            second.Store(scaled + padded + d);
            // Magnitudes compare as integers, and NaN as the largest of them.
            firstMost = Vector512.Max(firstMost, first.AsUInt32() & Vector512.Create(0x7FFFFFFFu));
            secondMost = Vector512.Max(secondMost, second.AsUInt32() & Vector512.Create(0x7FFFFFFFu));
        }

        (most[0], most[1]) = (Reduction.Quarter(firstMost), Reduction.Quarter(secondMost));
        (bias[0], bias[1]) = (Reduction.Quarter(firstBias), Reduction.Quarter(secondBias));
    }

    private static void RoundOne(float* scaled, int padded, float inverse, byte* prepared, int query)
    {
        var (factor, order) = (Vector512.Create(inverse), Order);
        var upper = prepared + (query * TurnElements);
        for (var d = 0; d < padded;)
        {
            var end = d + TurnElements;
            for (var to = upper; d < end; d += Block, to += Block)
            {
                var first = Avx512F.ConvertToVector512Int32(Vector512.Load(scaled + d) * factor).AsByte();
                var second = Avx512F.ConvertToVector512Int32(Vector512.Load(scaled + d + Width) * factor).AsByte();
                var bytes = Avx512Vbmi.PermuteVar64x8x2(first, order, second);
                bytes.GetLower().Store(to);
                bytes.GetUpper().Store(to + (ScoreCode.MostQueries * TurnElements));
            }

            upper += 2 * ScoreCode.MostQueries * TurnElements;
        }
    }

    private static Vector512<byte> MakeOrder()
    {
        var shifts = 8 / TBits.Bits;
        Span<byte> order = stackalloc byte[2 * Block];
        for (var element = 0; element < Block; element++)
        {
            var (word, shift) = TBits.Place(element);
            var at = (sizeof(int) * ((word * shifts) + (shift % 8 / TBits.Bits))) + (shift / 8);
            (order[at], order[Block + at]) = ((byte)((sizeof(int) * element) + 1), (byte)(sizeof(int) * element));
        }

        return Vector512.Create<byte>(order);
    }
}
