namespace Kvasir;

/// <summary>
/// Keeps a prompt's rows in the prefix cache, whatever else wants the memory, until it is released or its time is over. The first sequence that it is given to
/// (<see cref="Sequence.Pin"/>) computes them, or finds them there; what is behind the last whole column of 32 tokens is not kept. What all pins of an engine
/// keep is bounded by <see cref="EngineOptions.PinnedShare"/>.
/// </summary>
public sealed class PrefixPin
{
    private readonly TimeSpan? _lifetime;
    private volatile bool _isReleased;
    private volatile int _tokenCount;
    private long _untilTicks = long.MaxValue;
    private long _heldAt;

    /// <param name="lifetime">From when the prompt is computed on, from 1 ms to 24 days; null for no end.</param>
    /// <exception cref="KvasirException">The lifetime is out of range.</exception>
    public PrefixPin(TimeSpan? lifetime = null)
    {
        EngineOptions.Require(lifetime, "the lifetime of a pin");
        _lifetime = lifetime;
    }

    /// <summary>
    /// Whether requests of every <see cref="GenerationOptions.Tenant"/> find the rows, be its own what it may: for what is no secret. Where a prompt goes on
    /// behind them it is its tenant's alone.
    /// </summary>
    public bool IsCommon { get; init; }

    /// <summary>Tokens whose rows it keeps; 0 before they are computed.</summary>
    public int TokenCount => _isReleased ? 0 : _tokenCount;

    /// <summary>When its time is over; null where it has no end, or before it keeps anything.</summary>
    public DateTimeOffset? Until => Volatile.Read(ref _untilTicks) is var ticks and < long.MaxValue ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>Whether it keeps nothing any more.</summary>
    public bool IsReleased => _isReleased;

    /// <summary>The columns that it has; null for none. For the engine's thread.</summary>
    internal Cache.PrefixPath? Path { get; private set; }

    /// <summary>Keeps the rows no longer, from the engine's next step on: they go when others need the memory. For any thread.</summary>
    public void Release() => _isReleased = true;

    internal void Hold(Cache.PrefixPath path, TimeProvider time)
    {
        (Path, _tokenCount, _heldAt) = (path, path.RowCount, time.GetTimestamp());
        if (_lifetime is { } lifetime)
            Volatile.Write(ref _untilTicks, (time.GetUtcNow() + lifetime).UtcTicks);
    }

    // Whatever is done to the clock on the wall.
    internal bool IsOver(TimeProvider time)
    {
        if (_lifetime is { } lifetime && time.GetElapsedTime(_heldAt) >= lifetime)
            _isReleased = true;
        return _isReleased;
    }

    internal void LetGo()
    {
        Path!.Leave();
        Path = null;
    }
}
