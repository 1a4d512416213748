using System.Runtime.CompilerServices;

namespace Kvasir.Jinja.Values;

/// <summary>
/// What one rendering may spend. Templates come with models and are not trusted: loops, recursion and growing strings all end here,
/// long before a prompt that any model can read would.
/// </summary>
internal sealed class RenderBudget
{
    public const int MaxSteps = 5_000_000;
    public const int MaxDepth = 600;
    public const long MaxCharacters = 128L << 20;

    // A list slot weighs as much memory as four characters.
    private const int CharactersPerItem = 4;

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
    }

    /// <summary>Before text of this length is made or read through.</summary>
    public void Characters(long count)
    {
        _characters += count;
        if (_characters > MaxCharacters || count > MaxCharacters)
            throw new JinjaFailure($"more than {MaxCharacters} characters of text");
    }

    /// <summary>Before a list of this length is made or read through.</summary>
    public void Items(long count) => Characters(Math.Min(count, MaxCharacters) * CharactersPerItem);

    /// <summary>Before one text is looked for in another: the worst case reads their product, in vectors.</summary>
    public void Search(string text, string wanted)
    {
        const int CharactersPerVector = 64;
        Characters(text.Length + (wanted.Length > text.Length ? 0 : (long)text.Length * wanted.Length / CharactersPerVector));
    }
}
