using Kvasir.Cache;
using Kvasir.Models.Configs;

namespace Kvasir;

/// <summary>
/// The beginning of a prompt whose keys and values are computed once: the first sequence leaves them in the prefix cache, where they are pinned, and whoever
/// begins after it, any number side by side, reads the same pages and computes only what is behind them. What a policy observes of a prompt, and what tells the
/// first token, each computes itself. They take KV memory, once, until they are released. An engine without <see cref="EngineOptions.PrefixCache"/> keeps these
/// rows alone, for sequences that were given this very object. With one they are found by their tokens as others are: within a
/// <see cref="GenerationOptions.Tenant"/>. For one engine.
/// </summary>
public sealed class SharedPrompt
{
    /// <summary>The token count is a multiple of this.</summary>
    public const int UnitTokens = PagePool.PageTokens;

    private readonly int[] _tokens;
    private readonly Lock _lock = new();
    private volatile PrefixPin _pin = new();
    private bool _isReleased;
    private bool? _isLong;

    /// <param name="tokens">At least one, in whole units: what a page is rounded to does not depend on who wrote it then, and no page is copied.</param>
    public SharedPrompt(ReadOnlySpan<int> tokens)
    {
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(tokens.Length % UnitTokens, 0);
        _tokens = tokens.ToArray();
    }

    public int TokenCount => _tokens.Length;

    /// <summary>Rows that are kept here now: all or none.</summary>
    public int RowCount => _pin.TokenCount;

    /// <summary>No other's.</summary>
    internal string Name { get; } = $"shared {Guid.NewGuid()}";

    /// <summary>Where the rows are kept; null where they are not.</summary>
    internal PrefixPath? Path => _pin.Path;

    /// <summary>
    /// Keeps the rows no longer, from the engine's next step on. Sequences that use them go on; the memory comes back with the last of them. For any thread.
    /// </summary>
    public void Release()
    {
        lock (_lock)
        {
            _isReleased = true;
            _pin.Release();
        }
    }

    /// <summary>Whether rows are here that lie in another engine's memory.</summary>
    internal bool IsElsewhere(KvCache cache) => Path is { } path && !path.IsIn(cache.Prefixes);

    /// <summary>Its rows are turned by one of the sets of factors that a model may have; whoever asks first decides by which.</summary>
    /// <param name="mostTokens">What the sequence may come to.</param>
    /// <exception cref="KvasirException">The sequence is turned by the other one.</exception>
    internal void RequireTurn(RopeConfig rope, long mostTokens)
    {
        lock (_lock)
        {
            _isLong ??= rope.IsLong(mostTokens);
            if (_isLong == rope.IsLong(mostTokens))
                return;
        }

        throw new KvasirException(
            KvasirError.BadOption,
            $"the prompt is shared with sequences on the other side of {rope.OriginalContextTokens} tokens, beyond which this model turns all rows of a "
                + $"sequence by other factors; this one may come to {mostTokens}: {nameof(GenerationOptions.MaxTokens)} decides");
    }

    internal bool Begins(ReadOnlySpan<int> prompt) => prompt.StartsWith(_tokens);

    /// <summary>What is to keep the rows; null where they are kept, or nobody wants them any more. What an engine let go after a fault is kept anew.</summary>
    internal PrefixPin? FreePin()
    {
        if (Path is not null)
            return null;
        lock (_lock)
        {
            if (_isReleased)
                return null;
            return _pin.IsReleased ? _pin = new PrefixPin() : _pin;
        }
    }
}
