namespace Kvasir.Attention;

/// <summary>What a selector is asked: the queries of one KV head's group at one position.</summary>
/// <param name="queries">[group, dim], rotated, not yet scaled by 1/sqrt(dim).</param>
/// <param name="firstRow">The oldest row in sight: above 0 only in layers with a sliding window.</param>
/// <param name="endRow">One past the newest row in sight, which is the query's own.</param>
public readonly ref struct HeadQuery(ReadOnlySpan<float> queries, int firstRow, int endRow)
{
    public ReadOnlySpan<float> Queries { get; } = queries;

    public int FirstRow { get; } = firstRow;

    public int EndRow { get; } = endRow;
}
