using Kvasir.Cache;

namespace Kvasir.Attention;

/// <summary>What a selector is asked: the queries of one KV head's group at one position.</summary>
/// <param name="head">The rows to choose from.</param>
/// <param name="queries">[group, dim], rotated and scaled by 1/sqrt(dim).</param>
/// <param name="firstPosition">The oldest position in sight: above 0 only in layers with a sliding window.</param>
/// <param name="endPosition">One past the newest position in sight, which is the query's own.</param>
/// <param name="scratch">Of the worker that asks.</param>
public readonly ref struct HeadQuery(KvHead head, ReadOnlySpan<float> queries, int firstPosition, int endPosition, SelectorScratch scratch)
{
    public KvHead Head { get; } = head;

    public ReadOnlySpan<float> Queries { get; } = queries;

    /// <summary>The oldest position in sight.</summary>
    public int FirstPosition { get; } = firstPosition;

    /// <summary>One past the query's own position.</summary>
    public int EndPosition { get; } = endPosition;

    /// <summary>The oldest row in sight.</summary>
    public int FirstRow { get; } = head.RowAt(firstPosition);

    /// <summary>One past the newest row in sight, which is the query's own.</summary>
    public int EndRow { get; } = head.RowAt(endPosition);

    /// <summary>Memory that a selector may use; its contents last until it has no more rounds.</summary>
    public SelectorScratch Scratch { get; } = scratch;
}
