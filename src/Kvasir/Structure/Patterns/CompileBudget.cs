namespace Kvasir.Structure.Patterns;

/// <summary>
/// What one schema may cost before it is refused: steps of its grammar and states of its patterns, and work. Counted where it is done, so that nothing grows
/// past it. Work is counted and not timed: a schema is refused or not whatever else the machine does.
/// </summary>
/// <param name="states">The most steps and pattern states together.</param>
/// <param name="work">The most work.</param>
internal sealed class CompileBudget(int states = CompileBudget.MostStates, int work = CompileBudget.MostWork)
{
    public const int MostStates = 100_000;

    /// <summary>About half a second of a core.</summary>
    public const int MostWork = 5_000_000;

    private int _states;
    private int _work;

    /// <summary>One more state.</summary>
    /// <exception cref="KvasirException">It is one too many.</exception>
    public void Take()
    {
        if (++_states > states)
            throw new KvasirException(
                KvasirError.BadOption, $"the schema needs more than the {states} states that are allowed; smaller repetitions, enums or patterns take fewer");
        Work();
    }

    /// <summary>Work that makes no state, about 0.1 us each.</summary>
    /// <exception cref="KvasirException">It is too much.</exception>
    public void Work(int units = 1)
    {
        _work += units;
        if (_work > work)
            throw new KvasirException(
                KvasirError.BadOption,
                $"the schema takes more work than the {work} units, about half a second, that are allowed; fewer alternatives or simpler patterns take less");
    }
}
