using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Indexes;

/// <summary>Consecutive rows in hash tables of their own.</summary>
/// <param name="First">Row.</param>
/// <param name="FirstWord">Of its rows in a bitmap.</param>
/// <param name="InverseLengths">A float for each row: 1 / length of the key without the mean; 0 for one that is the mean.</param>
internal readonly record struct HashedSegment(int First, int FirstWord, HashTables Tables, NativeView InverseLengths)
{
    public int EndRow => First + Tables.Rows;

    /// <summary>Codes in a table that is not sorted, of rows [<paramref name="first"/>, <paramref name="end"/>).</summary>
    public Span<ushort> Codes(int table, int first, int end) => Tables.Codes(table)[(first - First)..(end - First)];

    /// <summary>1 / length of keys of these rows.</summary>
    public Span<float> Lengths(int first, int end) => InverseLengths.Span<float>((long)(first - First) * sizeof(float), end - first);
}
