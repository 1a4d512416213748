namespace Kvasir.Attention;

/// <summary>What the rows of a <see cref="Segment"/> are, and so how they are attended.</summary>
internal enum SegmentKind
{
    /// <summary>Tokens of a prompt: each attends every row in sight.</summary>
    Prompt,

    /// <summary>One generated token: it attends the rows that the policy selects.</summary>
    Decode,
}
