using System.Runtime.CompilerServices;

namespace Kvasir.Jinja.Values;

/// <summary>
/// What one rendering may spend. Templates come with models and are not trusted: loops, recursion and growing strings all end here,
/// long before a prompt that any model can read would.
/// </summary>
/// <param name="clock">Null for the system's.</param>
internal sealed class RenderBudget(TimeProvider? clock = null)
{
    public const int MaxSteps = 5_000_000;
    public const int MaxDepth = 600;
    public const long MaxCharacters = 128L << 20;
    public const int MaxSeconds = 2;

    // A list slot weighs as much memory as four characters.
    private const int CharactersPerItem = 4;

    // How often the clock is looked at. Between two looks a thread may have waited for its turn, which is not the template's time.
    private const int StepsBetween = 1024;
    private const long CharactersBetween = 1 << 20;
    private static readonly TimeSpan MostBetween = TimeSpan.FromMilliseconds(250);
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private long _seen = (clock ?? TimeProvider.System).GetTimestamp();
    private TimeSpan _spent;
    private long _unseen;
    private int _steps;
    private int _depth;
    private long _characters;

    /// <summary>Before each node; pairs with <see cref="Leave"/> (a failure ends the rendering, so it need not be paired then).</summary>
    public void Enter()
    {
        if (++_depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new JinjaFailure($"nested or recursive more than {MaxDepth} levels deep");
        Step();
    }

    public void Leave() => _depth--;

    public void Step()
    {
        if (++_steps > MaxSteps)
            throw new JinjaFailure($"more than {MaxSteps} steps");
        if (_steps % StepsBetween == 0)
            Look();
    }

    /// <summary>Before text of this length is made or read through.</summary>
    public void Characters(long count)
    {
        _characters += count;
        if (_characters > MaxCharacters || count > MaxCharacters)
            throw new JinjaFailure($"more than {MaxCharacters} characters of text");
        if ((_unseen += count) >= CharactersBetween)
            Look();
    }

    /// <summary>Before a list of this length is made or read through.</summary>
    public void Items(long count) => Characters(Math.Min(count, MaxCharacters) * CharactersPerItem);

    /// <summary>Before one text is looked for in another: the worst case reads their product, in vectors.</summary>
    public void Search(string text, string wanted)
    {
        const int CharactersPerVector = 64;
        Characters(text.Length + (wanted.Length > text.Length ? 0 : (long)text.Length * wanted.Length / CharactersPerVector));
    }

    private void Look()
    {
        var now = _clock.GetTimestamp();
        var passed = _clock.GetElapsedTime(_seen, now);
        (_seen, _unseen) = (now, 0);
        _spent += passed < MostBetween ? passed : MostBetween;
        if (_spent > TimeSpan.FromSeconds(MaxSeconds))
            throw new JinjaFailure($"more than {MaxSeconds} s of time");
    }
}
