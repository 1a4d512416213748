using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Sampling;

public delegate void LargestOfFunc(ReadOnlySpan<float> scores, int stride, Span<int> largest);

/// <summary>Which of a few candidates scores best, for each of many rows.</summary>
public static class LargestOf
{
    private const int Width = 16;

    public static readonly Variant<LargestOfFunc>[] Variants =
        [new("scalar", true, Scalar), new(PortableVector.Name, PortableVector.IsSupported, Wide)];

    /// <summary>largest[r] = the c for which scores[c * stride + r] is largest, of equal ones the first. No NaN is larger than anything.</summary>
    /// <param name="scores">[candidates, stride], of at least one candidate; of the last one as many as there are rows.</param>
    /// <param name="largest">[rows]: at most stride.</param>
    public static void Rows(ReadOnlySpan<float> scores, int stride, Span<int> largest)
    {
        if (PortableVector.IsSupported)
            Wide(scores, stride, largest);
        else
            Scalar(scores, stride, largest);
    }

    private static void Scalar(ReadOnlySpan<float> scores, int stride, Span<int> largest)
    {
        var candidates = Candidates(scores, stride, largest);
        for (var row = 0; row < largest.Length; row++)
            largest[row] = Largest(scores, candidates, stride, row);
    }

    private static void Wide(ReadOnlySpan<float> scores, int stride, Span<int> largest)
    {
        var (candidates, row) = (Candidates(scores, stride, largest), 0);
        for (; row + Width <= largest.Length; row += Width)
        {
            var (best, found) = (Vector512.Create(float.NegativeInfinity), Vector512<int>.Zero);
            for (var candidate = 0; candidate < candidates; candidate++)
            {
                var own = Vector512.Create(scores[(candidate * stride + row)..]);
                var larger = Vector512.GreaterThan(own, best);
                best = Vector512.ConditionalSelect(larger, own, best);
                found = Vector512.ConditionalSelect(larger.AsInt32(), Vector512.Create(candidate), found);
            }

            found.CopyTo(largest[row..]);
        }

        for (; row < largest.Length; row++)
            largest[row] = Largest(scores, candidates, stride, row);
    }

    private static int Largest(ReadOnlySpan<float> scores, int candidates, int stride, int row)
    {
        var (best, found) = (float.NegativeInfinity, 0);
        for (var candidate = 0; candidate < candidates; candidate++)
        {
            if (scores[candidate * stride + row] > best)
                (best, found) = (scores[candidate * stride + row], candidate);
        }

        return found;
    }

    private static int Candidates(ReadOnlySpan<float> scores, int stride, Span<int> largest)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, Math.Max(1, largest.Length));
        Lengths.RequireAtLeast(scores.Length, largest.Length, nameof(scores));
        return (scores.Length - largest.Length) / stride + 1;
    }
}
