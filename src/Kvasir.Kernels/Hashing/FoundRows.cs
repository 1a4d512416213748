using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Hashing;

/// <summary>Marks of rows, a bit for each row and query: listed once for all queries, with a bit that says which query has found a row on the list.</summary>
public static class FoundRows
{
    private const int WordBits = 64;

    /// <summary>Marks the rows that were counted at least <paramref name="least"/> times.</summary>
    /// <param name="counts">Of each row.</param>
    /// <param name="marks">A bit for each row; the rest of the last word is 0.</param>
    public static unsafe void Mark(ReadOnlySpan<byte> counts, byte least, Span<ulong> marks)
    {
        var row = 0;
        fixed (byte* count = counts)
        {
            for (; Vector512.IsHardwareAccelerated && row + WordBits <= counts.Length; row += WordBits)
                marks[row / WordBits] = Vector512.GreaterThanOrEqual(Vector512.Load(count + row), Vector512.Create(least)).ExtractMostSignificantBits();
        }

        for (; row < counts.Length; row++)
        {
            if (row % WordBits == 0)
                marks[row / WordBits] = 0;
            if (counts[row] >= least)
                marks[row / WordBits] |= 1UL << (row % WordBits);
        }
    }

    /// <summary>
    /// any[w] = the rows that at least one query has marked. Rows outside of [<paramref name="first"/>, <paramref name="end"/>) lose their marks.
    /// </summary>
    /// <param name="marks">[queries, stride] words; row r is bit r % 64 of word r / 64.</param>
    /// <param name="stride">Words from one query's marks to the next's.</param>
    /// <param name="any">Words of one query.</param>
    /// <returns>How many rows that is.</returns>
    public static int Unite(Span<ulong> marks, int stride, int first, int end, Span<ulong> any)
    {
        any.Clear();
        for (var query = 0; query < marks.Length; query += stride)
        {
            var own = marks.Slice(query, Math.Min(any.Length, marks.Length - query));
            Clip(own, first, end);
            Or(own, any);
        }

        var count = 0;
        foreach (var word in any)
            count += BitOperations.PopCount(word);
        return count;
    }

    /// <summary>Appends to a list of bits whether <paramref name="marks"/> has each row of <paramref name="any"/>, in the order of rows.</summary>
    /// <param name="marks">Of one query; none that <paramref name="any"/> lacks.</param>
    /// <param name="listed">Bits on the list so far; those behind them are 0.</param>
    public static void AppendBits(ReadOnlySpan<ulong> marks, ReadOnlySpan<ulong> any, Span<ulong> bits, int listed)
    {
        for (var word = 0; word < any.Length; word++)
        {
            if (any[word] == 0)
                continue;
            var (found, count, place) = (Extract(marks[word], any[word]), BitOperations.PopCount(any[word]), listed % WordBits);
            bits[listed / WordBits] |= found << place;
            if (place + count > WordBits)
                bits[listed / WordBits + 1] |= found >> (WordBits - place);
            listed += count;
        }
    }

    private static unsafe void Or(ReadOnlySpan<ulong> marks, Span<ulong> any)
    {
        var word = 0;
        fixed (ulong* m = marks, a = any)
        {
            for (; Vector512.IsHardwareAccelerated && word + Vector512<ulong>.Count <= marks.Length; word += Vector512<ulong>.Count)
                (Vector512.Load(m + word) | Vector512.Load(a + word)).Store(a + word);
        }

        for (; word < marks.Length; word++)
            any[word] |= marks[word];
    }

    private static void Clip(Span<ulong> marks, int first, int end)
    {
        var (head, tail) = (Math.Clamp(first / WordBits, 0, marks.Length), Math.Clamp(end / WordBits, 0, marks.Length));
        marks[..head].Clear();
        if (head < marks.Length)
            marks[head] &= first < head * WordBits ? ulong.MaxValue : ulong.MaxValue << (first % WordBits);
        if (tail < marks.Length)
        {
            marks[tail] &= (1UL << (end % WordBits)) - 1;
            marks[(tail + 1)..].Clear();
        }
    }

    // The bits of a word where the mask has ones, side by side.
    private static ulong Extract(ulong word, ulong mask)
    {
        if (Bmi2.X64.IsSupported)
            return Bmi2.X64.ParallelBitExtract(word, mask);
        var (extracted, place) = (0UL, 0);
        for (; mask != 0; mask &= mask - 1)
            extracted |= ((word >> BitOperations.TrailingZeroCount(mask)) & 1) << place++;
        return extracted;
    }
}
