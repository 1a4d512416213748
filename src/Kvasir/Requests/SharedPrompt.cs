using Kvasir.Cache;

namespace Kvasir;

/// <summary>
/// The beginning of a prompt whose keys and values are computed once: the first sequence leaves them here when its prompt is computed, and whoever begins after
/// it, any number side by side, reads the same pages and computes only what is behind them. A sequence that begins before they are here computes its own, and
/// so does one whose policy observes more than the rest of its prompt. They take KV memory, once, as long as they are kept. For one engine, and its thread.
/// </summary>
public sealed class SharedPrompt
{
    /// <summary>The token count is a multiple of this.</summary>
    public const int UnitTokens = PagePool.PageTokens;

    private readonly int[] _tokens;
    private SharedRows? _rows;

    /// <param name="tokens">At least one, in whole units: what a page is rounded to does not depend on who wrote it then, and no page is copied.</param>
    public SharedPrompt(ReadOnlySpan<int> tokens)
    {
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(tokens.Length % UnitTokens, 0);
        _tokens = tokens.ToArray();
    }

    public int TokenCount => _tokens.Length;

    /// <summary>Rows that are kept here now: all or none.</summary>
    public int RowCount => _rows?.RowCount ?? 0;

    /// <summary>The rows, which are here.</summary>
    internal SharedRows Rows => _rows!;

    /// <summary>Keeps the rows no longer. Sequences that use them go on; the memory comes back with the last of them.</summary>
    public void Release()
    {
        _rows?.Release();
        _rows = null;
    }

    /// <summary>Whether rows are here that lie in another engine's memory.</summary>
    internal bool IsElsewhere(KvCache cache) => _rows is not null && _rows.Pool != cache.Pool;

    internal bool Begins(ReadOnlySpan<int> prompt) => prompt.StartsWith(_tokens);

    /// <summary>Whether rows are here that a sequence can use: what its policy observes it computes itself, and what tells the first token.</summary>
    internal bool HasRowsFor(Sequence sequence) =>
        _rows is not null && sequence.PrefillCount - TokenCount >= Math.Max(1, sequence.Attention!.ObservedPromptRows);

    /// <summary>Keeps the first rows of a sequence, unless some are here.</summary>
    internal void Keep(SequenceCache cache) => _rows ??= cache.Share(TokenCount);
}
