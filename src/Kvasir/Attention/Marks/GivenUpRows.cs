using Kvasir.Cache;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Marks;

/// <summary>Which rows of a head are given up: a mark in the place of their sum, which is 0 or more for all others.</summary>
internal sealed class GivenUpRows(MarkedSums sums)
{
    private const float Mark = -1;

    public int Count { get; private set; }

    public void Add(int row)
    {
        sums[row] = Mark;
        Count++;
    }

    /// <summary>Drops all of the first <paramref name="rowCount"/> rows that are given up.</summary>
    public void Drop(RowEdit edit, int rowCount)
    {
        for (var row = 0; row < rowCount && Count > 0;)
        {
            var part = sums.From(row, rowCount);
            for (var i = 0; i < part.Length; i++)
            {
                if (part[i] < 0)
                    edit.Drop(row + i, 1);
            }

            row += part.Length;
        }
    }

    /// <summary>Counts anew after rows went or came back, marks and all.</summary>
    public void CountAnew(int rowCount)
    {
        Count = 0;
        for (var row = 0; row < rowCount;)
        {
            var part = sums.From(row, rowCount);
            foreach (var sum in part)
                Count += sum < 0 ? 1 : 0;
            row += part.Length;
        }
    }

    /// <summary>Lists rows that are not given up, in order, and their sums; says how many.</summary>
    public int FindOthers((int First, int End) among, Span<int> rows, Span<float> own)
    {
        var count = 0;
        for (var first = among.First; first < among.End;)
        {
            var part = sums.From(first, among.End);
            count += NumbersAbove.Find(part, Mark, first, rows[count..], own[count..]);
            first += part.Length;
        }

        return count;
    }
}
