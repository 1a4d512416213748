namespace Kvasir.Structure.Patterns;

/// <summary>A regular expression as it was read.</summary>
internal abstract record PatternNode;

/// <summary>One character of a set.</summary>
internal sealed record PatternSet(CodePointSet Set) : PatternNode;

/// <summary>One behind the other; empty for the empty text.</summary>
internal sealed record PatternSequence(IReadOnlyList<PatternNode> Items) : PatternNode;

/// <summary>One of them.</summary>
internal sealed record PatternChoice(IReadOnlyList<PatternNode> Items) : PatternNode;

/// <param name="Most">Null for any number.</param>
internal sealed record PatternRepeat(PatternNode Item, int Least, int? Most) : PatternNode;
