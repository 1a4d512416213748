using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Attention.Formats;

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

    // The elements of a turn.
    private static readonly int TurnElements = PackedScoreCode.TurnBytes * 8 / TBits.Bits;

    // Where the bytes of 32 elements come from, that lie in four bytes each: the upper ones in the order in which codes stand, then the lower ones.
    private static readonly Vector512<byte> Order = MakeOrder();

    /// <summary>Bytes that prepared queries take.</summary>
    public static int Bytes(int padded) => 2 * ScoreCode.MostQueries * padded;

    /// <summary>Whether rows of so many elements are whole turns.</summary>
    public static bool Suits(int padded) => padded % TurnElements == 0;

    /// <param name="queries">[4, padded]</param>
    /// <param name="space">Ranges of every channel, as <see cref="PackedRange"/> stores them, and scratch of padded floats.</param>
    /// <param name="prepared"><see cref="Bytes"/>: for every turn upper bytes of four queries, and then lower ones.</param>
    /// <param name="units">[4]</param>
    /// <param name="biases">[4]: what least elements add to every score.</param>
    public static void Prepare(float* queries, int queryCount, int padded, (nint Ranges, nint Scaled) space, byte* prepared, float* units, float* biases)
    {
        var ranges = (uint*)space.Ranges;
        var scaled = (float*)space.Scaled;
        for (var q = 0; q < queryCount; q++, queries += padded)
        {
            var bias = Vector512<float>.Zero;
            var most = Vector512<uint>.Zero;
            for (nint d = 0; d < padded; d += Width)
            {
                var range = Vector512.Load(ranges + d);
                var query = Vector512.Load(queries + d);
                var product = query * (range << 16).AsSingle();
                product.Store(scaled + d);
                // Magnitudes compare as integers, and NaN as the largest of them.
                most = Vector512.Max(most, product.AsUInt32() & Vector512.Create(0x7FFFFFFFu));
                bias = Vector512.FusedMultiplyAdd(query, (range & Vector512.Create(0xFFFF0000)).AsSingle(), bias);
                if (TBits.Planes == 2)
                    bias = Vector512.FusedMultiplyAdd(product, Vector512.Create(-TBits.Shift), bias);
            }

            var largest = BitConverter.UInt32BitsToSingle(Reduction.Largest(Reduction.Quarter(most)));
            // NaN, or an infinity, minus itself is NaN. A code stands for a part of its channel's scale.
            units[q] = (largest / LargestWord / (1 << TBits.Bits)) + (largest - largest);
            biases[q] = Vector512.Sum(bias);
            Round(scaled, padded, largest > Smallest ? LargestWord / largest : 0, prepared, q);
        }
    }

    private static void Round(float* scaled, int padded, float inverse, byte* prepared, int query)
    {
        var (factor, order, turnBytes) = (Vector512.Create(inverse), Order, 2 * ScoreCode.MostQueries * TurnElements);
        for (var d = 0; d < padded; d += Block)
        {
            var first = Avx512F.ConvertToVector512Int32(Vector512.Load(scaled + d) * factor).AsByte();
            var second = Avx512F.ConvertToVector512Int32(Vector512.Load(scaled + d + Width) * factor).AsByte();
            var bytes = Avx512Vbmi.PermuteVar64x8x2(first, order, second);
            var upper = prepared + (d / TurnElements * turnBytes) + (query * TurnElements) + (d % TurnElements);
            bytes.GetLower().Store(upper);
            bytes.GetUpper().Store(upper + ScoreCode.MostQueries * TurnElements);
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
