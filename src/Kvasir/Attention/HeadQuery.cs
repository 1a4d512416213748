using Kvasir.Cache;

namespace Kvasir.Attention;

/// <summary>What a selector is asked: the queries of one KV head's group at one position.</summary>
/// <param name="head">The rows to choose from.</param>
/// <param name="queries">[group, dim], rotated and scaled by 1/sqrt(dim).</param>
/// <param name="firstRow">The oldest row in sight: above 0 only in layers with a sliding window.</param>
/// <param name="endRow">One past the newest row in sight, which is the query's own.</param>
/// <param name="scratch">Of the worker that asks.</param>
public readonly ref struct HeadQuery(KvHead head, ReadOnlySpan<float> queries, int firstRow, int endRow, SelectorScratch scratch)
{
    public KvHead Head { get; } = head;

    public ReadOnlySpan<float> Queries { get; } = queries;

    public int FirstRow { get; } = firstRow;

    public int EndRow { get; } = endRow;

    /// <summary>Memory that a selector may use; its contents last until it has no more rounds.</summary>
    public SelectorScratch Scratch { get; } = scratch;
}
