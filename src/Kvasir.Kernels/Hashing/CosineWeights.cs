using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Hashing;

public delegate void CosineWeightsFunc(
    Span<float> scores, ReadOnlySpan<float> inverseLengths, ReadOnlySpan<ulong> found, int firstBit, CosineOf cosine, ReadOnlySpan<float> table);

/// <summary>
/// Adds to scores a function of the cosine between query and key, which is a table from cosine -1 to 1 in even steps, interpolated. Cosines beyond, by
/// rounding, count as -1 and 1. Scores of rows that were not found become negative infinity.
/// </summary>
public static unsafe class CosineWeights
{
    private const int WordBits = 64;

    public static readonly Variant<CosineWeightsFunc>[] Variants =
    [
        new("scalar", true, AddScalar),
        new("256", Avx2.IsSupported, Add256),
    ];

    /// <summary>Adds the weights.</summary>
    /// <param name="scores">Of one query.</param>
    /// <param name="inverseLengths">Of the keys, as many.</param>
    /// <param name="found">Bit <paramref name="firstBit"/> + i says whether row i was found.</param>
    /// <param name="cosine">How a cosine follows from a score.</param>
    /// <param name="table">Values at the steps, and the last once more.</param>
    public static void Add(
        Span<float> scores, ReadOnlySpan<float> inverseLengths, ReadOnlySpan<ulong> found, int firstBit, CosineOf cosine, ReadOnlySpan<float> table)
    {
        if (Avx2.IsSupported)
            Add256(scores, inverseLengths, found, firstBit, cosine, table);
        else
            AddScalar(scores, inverseLengths, found, firstBit, cosine, table);
    }

    private static void AddScalar(
        Span<float> scores, ReadOnlySpan<float> inverseLengths, ReadOnlySpan<ulong> found, int firstBit, CosineOf cosine, ReadOnlySpan<float> table)
    {
        var half = 0.5f * (table.Length - 2);
        for (var i = 0; i < scores.Length; i++)
        {
            var bit = firstBit + i;
            var at = ((scores[i] - cosine.Offset) * (cosine.Factor * inverseLengths[i]) + 1) * half;
            at = at > 0 ? MathF.Min(at, 2 * half) : 0;
            var step = (int)at;
            var weight = table[step] + (at - step) * (table[step + 1] - table[step]);
            scores[i] = (found[bit / WordBits] >> (bit % WordBits) & 1) != 0 ? scores[i] + weight : float.NegativeInfinity;
        }
    }

    private static void Add256(
        Span<float> scores, ReadOnlySpan<float> inverseLengths, ReadOnlySpan<ulong> found, int firstBit, CosineOf cosine, ReadOnlySpan<float> table)
    {
        const int Lanes = 8;
        var (half, last) = (Vector256.Create(0.5f * (table.Length - 2)), Vector256.Create((float)(table.Length - 2)));
        var (offset, factor) = (Vector256.Create(cosine.Offset), Vector256.Create(cosine.Factor));
        var laneBits = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);
        var i = 0;
        fixed (float* s = scores, inverse = inverseLengths, t = table)
        {
            for (; i + Lanes <= scores.Length; i += Lanes)
            {
                var score = Vector256.Load(s + i);
                var at = ((score - offset) * (factor * Vector256.Load(inverse + i)) + Vector256<float>.One) * half;
                // In this order what is not a number becomes 0.
                at = Avx.Min(Avx.Max(at, Vector256<float>.Zero), last);
                var step = Avx.ConvertToVector256Int32WithTruncation(at);
                var lower = Avx2.GatherVector256(t, step, sizeof(float));
                var upper = Avx2.GatherVector256(t + 1, step, sizeof(float));
                var weighted = score + lower + (at - Avx.ConvertToVector256Single(step)) * (upper - lower);
                var isFound = Vector256.Equals(Vector256.Create(Bits(found, firstBit + i)) & laneBits, laneBits).AsSingle();
                Vector256.ConditionalSelect(isFound, weighted, Vector256.Create(float.NegativeInfinity)).Store(s + i);
            }
        }

        AddScalar(scores[i..], inverseLengths[i..], found, firstBit + i, cosine, table);
    }

    // At least eight bits from a place on.
    private static int Bits(ReadOnlySpan<ulong> words, int first)
    {
        var (word, place) = (first / WordBits, first % WordBits);
        var bits = words[word] >> place;
        if (place > WordBits - 8 && word + 1 < words.Length)
            bits |= words[word + 1] << (WordBits - place);
        return (int)bits;
    }
}

/// <summary>The cosine between a query and a key from which something was taken off: (score - offset) * factor / length of what is left of the key.</summary>
/// <param name="Offset">The score of what was taken off.</param>
/// <param name="Factor">One over the length of the query, as it was scaled for the score.</param>
public readonly record struct CosineOf(float Offset, float Factor);
