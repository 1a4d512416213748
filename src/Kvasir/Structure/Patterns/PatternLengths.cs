using System.Collections;

namespace Kvasir.Structure.Patterns;

/// <summary>
/// From which states of a pattern, after how many characters, a match of an allowed length can still be had: so no text is begun that could not end.
/// </summary>
internal sealed class PatternLengths
{
    private const long MostBits = 1 << 24;
    private readonly BitArray _possible;
    private readonly int _states;

    /// <exception cref="KvasirException">Lengths and states are too many to be told apart.</exception>
    public PatternLengths(PatternAutomaton pattern, int least, int most, CompileBudget budget)
    {
        _states = pattern.Edges.Length;
        // Without an upper limit, what has the least length may go on to any end.
        var rows = (most == int.MaxValue ? least : most) + 1L;
        if (rows * _states > MostBits)
            throw new KvasirException(
                KvasirError.BadOption, $"a pattern of {_states} states with lengths up to {rows - 1} needs more than the {MostBits} bits that are allowed");
        _possible = new BitArray((int)(rows * _states));
        for (var count = (int)rows - 1; count >= 0; count--)
        {
            for (var state = 0; state < _states; state++)
            {
                budget.Work();
                var isPossible = (most == int.MaxValue && count == least) || (count >= least && pattern.Accepts[state]);
                foreach (var (_, target) in count + 1 < rows ? pattern.Edges[state] : [])
                    isPossible |= Allows(target, count + 1);
                _possible[(int)((count * (long)_states) + state)] = isPossible;
            }
        }
    }

    public bool Allows(int state, int count) => _possible[(count * _states) + state];
}
