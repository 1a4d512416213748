using System.Numerics;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Attention.Indexes;

/// <summary>A set of rows as a bitmap: listing it gives them in ascending order, whatever the order in which they came.</summary>
/// <param name="words">Rows [64 w, 64 w + 64) of those from <paramref name="firstRow"/> on in word w.</param>
/// <param name="firstRow">A multiple of 64.</param>
internal readonly ref struct RowBits(Span<ulong> words, int firstRow)
{
    private const int WordRows = CodeScan.GroupRows;
    private readonly Span<ulong> _words = words;

    public Span<ulong> Words => _words;

    public int Count
    {
        get
        {
            var count = 0;
            foreach (var word in _words)
                count += BitOperations.PopCount(word);
            return count;
        }
    }

    /// <summary>
    /// Takes out rows before <paramref name="first"/>, which is in the first word, and from <paramref name="end"/> on, which ends in the last.
    /// </summary>
    public void Trim(int first, int end)
    {
        _words[0] &= ulong.MaxValue << (first - firstRow);
        _words[^1] &= ulong.MaxValue >> (firstRow + _words.Length * WordRows - end);
    }

    /// <summary>Adds a row.</summary>
    public void Add(int row) => _words[(row - firstRow) / WordRows] |= 1UL << ((row - firstRow) % WordRows);

    /// <summary>Lists all rows of the set, in ascending order.</summary>
    /// <param name="rows">[<see cref="Count"/>]</param>
    public void List(Span<int> rows)
    {
        var count = 0;
        for (var i = 0; i < _words.Length; i++)
        {
            for (var left = _words[i]; left != 0; left &= left - 1)
                rows[count++] = firstRow + i * WordRows + BitOperations.TrailingZeroCount(left);
        }
    }
}
