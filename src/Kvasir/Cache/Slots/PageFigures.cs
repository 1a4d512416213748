namespace Kvasir;

/// <summary>What an engine whose keys and values may lie on file has read and written there.</summary>
/// <param name="Hits">Pages that steps used and found in memory, each once in a step.</param>
/// <param name="Misses">Pages that they had to read.</param>
/// <param name="Reads">Of one page or several at once.</param>
/// <param name="WaitMs">How long workers waited for pages, all of them together.</param>
public readonly record struct PageFigures(long Hits, long Misses, long Reads, long ReadBytes, long WrittenBytes, double WaitMs)
{
    /// <summary>Pages that a step used and the one before it too: how alike steps are decides what memory is good for.</summary>
    public long UsedAgain { get; init; }

    /// <summary>Of the pages that had to be read those whose reading began before anybody wanted them.</summary>
    public long AheadUsed { get; init; }

    /// <summary>Pages that were read so and nobody wanted.</summary>
    public long AheadUnused { get; init; }

    /// <summary>Pages whose reading began since a layer was expected to want them, before it chose.</summary>
    public long Foretold { get; init; }

    /// <summary>Those of them that it wanted.</summary>
    public long ForetoldUsed { get; init; }

    /// <summary>[layers]: hits and misses of each; empty where nothing was used.</summary>
    public IReadOnlyList<(long Hits, long Misses)> Layers { get; init; } = [];
}
