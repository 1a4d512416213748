namespace Kvasir.Attention.Batches;

/// <summary>What the rows of a <see cref="Segment"/> are, and so how they are attended.</summary>
internal enum SegmentKind
{
    /// <summary>Tokens of a prompt: each attends every row in sight.</summary>
    Prompt,

    /// <summary>One generated token: it attends the rows that the policy selects.</summary>
    Decode,

    /// <summary>
    /// A generated token and candidates for those behind it: each attends the rows that the policy selects, as if those before it had been decoded one by one.
    /// What turns out to be wrong is taken back to the mark before it.
    /// </summary>
    Verify,
}
