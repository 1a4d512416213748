namespace Kvasir;

/// <summary>Where a sequence stands that waits: <see cref="Sequence.Place"/>.</summary>
/// <param name="Position">1 for the next to be admitted.</param>
/// <param name="Length">Of the queue.</param>
/// <param name="WaitsFor">What is missing.</param>
/// <param name="IsPreempted">Whether it has begun, and gave its memory back.</param>
public readonly record struct QueuePlace(int Position, int Length, WaitReason WaitsFor, bool IsPreempted);
