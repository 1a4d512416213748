namespace Kvasir.Structure;

/// <summary>Where rules that are under way go back to; equal ones of an automaton are one object.</summary>
/// <param name="parent">What is beneath; null at the bottom.</param>
/// <param name="step">Where it goes on.</param>
/// <param name="count">Turns that it has had, where that is a counted step.</param>
/// <param name="depth">Values that are open around it.</param>
internal sealed class GrammarStack(GrammarStack? parent, int step, int count, int depth, int id)
{
    public GrammarStack? Parent => parent;

    public int Step => step;

    public int Count => count;

    public int Depth => depth;

    /// <summary>In the order they were made.</summary>
    public int Id => id;

    /// <summary>Whether this frame is a value inside another.</summary>
    public bool IsNested => depth > (parent?.Depth ?? 0);
}

/// <summary>One way in which a text may go on: a step that takes a byte or a control token, and what is under way.</summary>
internal readonly record struct GrammarThread(int Step, GrammarStack? Stack);
