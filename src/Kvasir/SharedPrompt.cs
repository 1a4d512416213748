using Kvasir.Cache;

namespace Kvasir;

/// <summary>
/// The beginning of a prompt whose keys and values go from one sequence to the next: the first computes them and leaves them here when it ends, and whoever
/// comes then computes only what is behind them. One running sequence has them at a time; another meanwhile computes its own, and so does one whose policy
/// observes more than the rest of its prompt. They take KV memory as long as they are kept. For one engine, and its thread.
/// </summary>
public sealed class SharedPrompt
{
    /// <summary>The token count is a multiple of this.</summary>
    public const int UnitTokens = PagePool.PageTokens;

    private readonly int[] _tokens;
    private SequenceCache? _cache;

    /// <param name="tokens">At least one, in whole units: what a page is rounded to does not depend on who wrote it then.</param>
    /// <param name="limitTokens">The most tokens of a sequence that is to use it, prompt and answer.</param>
    public SharedPrompt(ReadOnlySpan<int> tokens, int limitTokens)
    {
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(tokens.Length % UnitTokens, 0);
        (_tokens, LimitTokens) = (tokens.ToArray(), limitTokens);
    }

    public int TokenCount => _tokens.Length;

    public int LimitTokens { get; }

    /// <summary>Rows that are kept here now: all or none.</summary>
    public int RowCount => _cache is null ? 0 : TokenCount;

    /// <summary>Gives the rows' memory back, if they are here.</summary>
    public void Release()
    {
        _cache?.Close();
        _cache = null;
    }

    /// <summary>Whether rows are here that lie in another engine's memory.</summary>
    internal bool IsElsewhere(KvCache cache) => _cache is not null && _cache.Pool != cache.Pool;

    internal bool Begins(ReadOnlySpan<int> prompt) => prompt.StartsWith(_tokens);

    /// <summary>Whether rows are here that a sequence can use: what its policy observes it computes itself, and what tells the first token.</summary>
    internal bool HasRowsFor(Sequence sequence) =>
        _cache?.MaxRows >= sequence.TokenLimit && sequence.PrefillCount - TokenCount >= Math.Max(1, sequence.Attention!.ObservedPromptRows);

    internal SequenceCache Take()
    {
        var cache = _cache!;
        _cache = null;
        return cache;
    }

    /// <summary>Keeps the rows of a sequence that has ended; where there are some already, its own go.</summary>
    internal void Keep(SequenceCache cache)
    {
        if (_cache is not null)
        {
            cache.Close();
            return;
        }

        cache.Truncate(TokenCount);
        _cache = cache;
    }
}
