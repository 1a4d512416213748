namespace Kvasir.Attention.Batches;

/// <summary>The rows of one sequence in a <see cref="Batch"/>: consecutive tokens at consecutive positions.</summary>
/// <param name="Attention">What the sequence attends with.</param>
/// <param name="FirstRow">Index of the first row in the batch.</param>
/// <param name="RowCount">Rows, at least 1.</param>
/// <param name="FirstPosition">The position of the first row; the cache holds every earlier one.</param>
/// <param name="Kind">What the rows are.</param>
/// <param name="LogitCount">How many of the last rows logits are wanted of.</param>
internal readonly record struct Segment(SequenceAttention Attention, int FirstRow, int RowCount, int FirstPosition, SegmentKind Kind, int LogitCount)
{
    /// <summary>One past the last position.</summary>
    public int EndPosition => FirstPosition + RowCount;

    public bool IsPrompt => Kind == SegmentKind.Prompt;

    /// <summary>Whether the prompt's last row is among these.</summary>
    public bool EndsPrompt => IsPrompt && EndPosition == Attention.PromptEnd;
}

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
