namespace Kvasir.Cache;

/// <summary>What an engine's prefix cache holds and has been good for. Counts only grow.</summary>
/// <param name="Tokens">Tokens whose rows it holds now, each counted once however many use it.</param>
/// <param name="IdleTokens">Those of them that nobody uses: their memory is there for whoever needs it.</param>
/// <param name="IdleBytes">Memory of the idle ones.</param>
public readonly record struct PrefixFigures(long Tokens, long IdleTokens, long IdleBytes)
{
    /// <summary>Bytes of what policies have indexed of the tokens, kept for the next who has them; beside that of the rows.</summary>
    public long IndexBytes { get; init; }

    /// <summary>Tokens of which somebody has pinned the rows, each counted once.</summary>
    public long PinnedTokens { get; init; }

    /// <summary>Tokens whose rows go after all others, for a time: see <see cref="GenerationOptions.Keep"/>.</summary>
    public long KeptTokens { get; init; }

    /// <summary>Prompt tokens that sequences found computed when they came, and took.</summary>
    public long HitTokens { get; init; }

    /// <summary>Those of them that were not in memory then, and came from <see cref="EngineOptions.PrefixStores"/>.</summary>
    public long StoredHitTokens { get; init; }

    /// <summary>Prompt tokens that they had to compute.</summary>
    public long MissTokens { get; init; }

    /// <summary>Tokens that preempted sequences found again: no hits, since they had computed them before.</summary>
    public long ResumedTokens { get; init; }

    /// <summary>Columns of 32 tokens that were added.</summary>
    public long AddedColumns { get; init; }

    /// <summary>Columns that went for want of memory.</summary>
    public long EvictedColumns { get; init; }

    /// <summary>
    /// Prompts that went on as rows which were there, letter by letter, but in other tokens: an answer that comes back as text is cut into tokens anew, and
    /// need not be cut as it was generated. They computed what is behind <see cref="Sequence.DivergedAt"/> for that alone.
    /// </summary>
    public long RetokenisedPrompts { get; init; }
}
