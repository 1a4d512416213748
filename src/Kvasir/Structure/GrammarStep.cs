using Kvasir.Structure.Patterns;

namespace Kvasir.Structure;

internal enum StepKind : byte
{
    /// <summary>Goes back to where the rule was called.</summary>
    Return,

    /// <summary>Takes a byte of the set Argument and goes on to Next.</summary>
    Bytes,

    /// <summary>Takes the control token Argument and goes on to Next.</summary>
    Control,

    /// <summary>Goes on to any of Extra targets from Argument on.</summary>
    Branch,

    /// <summary>Goes on to Next where values may be nested Argument deeper than here.</summary>
    Guard,

    /// <summary>Runs the rule at Argument and goes on to Next; Extra is 1 if the rule is a value inside another.</summary>
    Call,

    /// <summary>Runs a body as often as <see cref="Repetition"/> Argument says, and goes on to Next.</summary>
    Count,
}

/// <summary>One step of a grammar: a small pushdown automaton over bytes.</summary>
internal readonly record struct GrammarStep(StepKind Kind, int Next = -1, int Argument = 0, int Extra = 0);

/// <summary>How a counted step goes on. Several of them that lead to each other are an automaton over characters, whose length is counted.</summary>
/// <param name="Least">Turns before it may end.</param>
/// <param name="Most">Turns that it may have; <see cref="int.MaxValue"/> for any number.</param>
/// <param name="CanEnd">Whether it may end here at all.</param>
/// <param name="Turns">Rules that make a turn, and the counted steps that each leads to.</param>
/// <param name="Lengths">Which counts can still end well; null where all can.</param>
/// <param name="State">Of the automaton that this step is.</param>
internal sealed record Repetition(int Least, int Most, bool CanEnd, (int Body, int Target)[] Turns, PatternLengths? Lengths = null, int State = 0);
