namespace Kvasir;

/// <summary>The rows of one sequence in a <see cref="Batch"/>: consecutive tokens at consecutive positions.</summary>
/// <param name="Sequence">Whose rows they are.</param>
/// <param name="FirstRow">Of the batch.</param>
/// <param name="RowCount">At least 1.</param>
/// <param name="FirstPosition">The position of the first row; the cache holds every earlier one.</param>
/// <param name="IsPrompt">Prompt rows are attended densely; a generated token's row by the sequence's policy.</param>
public readonly record struct Segment(Sequence Sequence, int FirstRow, int RowCount, int FirstPosition, bool IsPrompt)
{
    /// <summary>One past the last position.</summary>
    public int EndPosition => FirstPosition + RowCount;
}
