using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Memory;

namespace Kvasir.Cache;

/// <summary>Positions of a head's rows, ascending, and what the rows weigh, once they are not simply the first ones as they came.</summary>
/// <param name="maxRows">The most rows that the head will hold.</param>
internal sealed class RowPositions(int maxRows) : IDisposable
{
    // A kilobyte: of no account beside the rows.
    private const int PageRows = 256;
    private readonly NativePages _positions = new(PageRows * sizeof(int), NativePages.PagesFor(maxRows, PageRows));
    private NativePages? _logWeights;

    public long Bytes => _positions.Bytes + (_logWeights?.Bytes ?? 0);

    /// <summary>Whether rows have log-weights other than 0.</summary>
    public bool HasLogWeights => _logWeights is not null;

    public int this[int row] => _positions.Page<int>(row / PageRows)[row % PageRows];

    public float LogWeight(int row) => _logWeights is null ? 0 : _logWeights.Page<float>(row / PageRows)[row % PageRows];

    /// <summary>Makes room for so many rows.</summary>
    public void Reserve(int rowCount)
    {
        _positions.Reserve(NativePages.PagesFor(rowCount, PageRows));
        _logWeights?.Reserve(_positions.Count);
    }

    /// <summary>Gives back what is behind so many rows.</summary>
    public void Truncate(int rowCount)
    {
        _positions.Truncate(NativePages.PagesFor(rowCount, PageRows));
        _logWeights?.Truncate(_positions.Count);
    }

    /// <summary>Says where a row is, and what it weighs; room was reserved.</summary>
    public void Set(int row, int position, float logWeight = 0)
    {
        _positions.Page<int>(row / PageRows)[row % PageRows] = position;
        if (_logWeights is null && logWeight == 0)
            return;
        _logWeights ??= Zeros();
        _logWeights.Page<float>(row / PageRows)[row % PageRows] = logWeight;
    }

    /// <summary>Says of so many rows that they are where their numbers are; room was reserved.</summary>
    public RowPositions Fill(int rowCount)
    {
        for (var row = 0; row < rowCount; row++)
            Set(row, row);
        return this;
    }

    /// <summary>Whether half of the memory, or more, is for rows that are gone.</summary>
    public bool IsWideFor(int rowCount) => _positions.Bytes > 2L * NativePages.PagesFor(rowCount, PageRows) * PageRows * sizeof(int);

    /// <summary>The first of <paramref name="rowCount"/> rows that is not before a position.</summary>
    public int FirstFrom(int position, int rowCount)
    {
        var (low, high) = (0, rowCount);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (this[middle] < position)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }

    /// <summary>Adds what rows weigh to their scores.</summary>
    /// <param name="scores">[queries, stride]</param>
    public void AddLogWeights(in RowSet rows, Span<float> scores, int stride)
    {
        for (var i = 0; i < rows.Count; i++)
        {
            if (LogWeight(rows[i]) is not 0 and var weight)
            {
                for (var at = i; at < scores.Length; at += stride)
                    scores[at] += weight;
            }
        }
    }

    public void Dispose()
    {
        _positions.Dispose();
        _logWeights?.Dispose();
    }

    private NativePages Zeros()
    {
        var weights = new NativePages(PageRows * sizeof(float), NativePages.PagesFor(maxRows, PageRows));
        weights.Reserve(_positions.Count);
        for (var page = 0; page < weights.Count; page++)
            weights.Page<float>(page).Clear();
        return weights;
    }
}
