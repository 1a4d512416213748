using Kvasir.Kernels.Hashing;

namespace Kvasir.Attention.Indexes;

/// <summary>Keys of listed rows, and which of them one query has found, for weights that follow from the cosine of both.</summary>
/// <param name="inverseLengths">Of the keys.</param>
/// <param name="found">Bit <paramref name="firstBit"/> + i says whether row i was found.</param>
internal readonly ref struct FoundKeys(ReadOnlySpan<float> inverseLengths, ReadOnlySpan<ulong> found, int firstBit)
{
    // Nearer to its cap a score of 32 bits does not tell what it was.
    private const double Nearest = 1 - 6e-8;
    private readonly ReadOnlySpan<float> _inverseLengths = inverseLengths;
    private readonly ReadOnlySpan<ulong> _found = found;

    /// <summary>
    /// Adds log-weights to scores, as <see cref="CosineWeights"/> does. Of scores that are capped the cosine is that of what they were before: keys were found
    /// by their directions, whatever becomes of their scores.
    /// </summary>
    /// <param name="cap">c of c tanh(s / c); 0 for scores as they are.</param>
    public void Weigh(Span<float> scores, CosineOf cosine, ReadOnlySpan<float> table, float cap)
    {
        if (cap == 0)
        {
            CosineWeights.Add(scores, _inverseLengths, _found, firstBit, cosine, table);
            return;
        }

        Span<float> whole = stackalloc float[Selector.MostReweighted];
        Span<float> weighed = stackalloc float[Selector.MostReweighted];
        whole = whole[..scores.Length];
        weighed = weighed[..scores.Length];
        for (var i = 0; i < scores.Length; i++)
            whole[i] = (float)(cap * Math.Atanh(Math.Clamp((double)scores[i] / cap, -Nearest, Nearest)));
        whole.CopyTo(weighed);
        CosineWeights.Add(weighed, _inverseLengths, _found, firstBit, cosine, table);
        for (var i = 0; i < scores.Length; i++)
            scores[i] = float.IsNegativeInfinity(weighed[i]) ? weighed[i] : scores[i] + (weighed[i] - whole[i]);
    }
}
