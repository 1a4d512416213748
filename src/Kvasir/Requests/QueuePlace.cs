namespace Kvasir;

/// <summary>Where a sequence stands that waits: <see cref="Sequence.Place"/>.</summary>
/// <param name="Position">1 for the next to be admitted.</param>
/// <param name="Length">Of the queue.</param>
/// <param name="WaitsFor">What is missing.</param>
/// <param name="IsPreempted">Whether it has begun, and gave its memory back.</param>
public readonly record struct QueuePlace(int Position, int Length, WaitReason WaitsFor, bool IsPreempted);

/// <summary>What a waiting sequence waits for.</summary>
public enum WaitReason
{
    /// <summary>Others go before it.</summary>
    Turn,

    /// <summary>As many sequences compute as may: <see cref="EngineOptions.MaxSequences"/>.</summary>
    Place,

    /// <summary>As many of its client's compute as may: <see cref="EngineOptions.MaxSequencesPerClient"/>.</summary>
    ClientPlace,

    /// <summary>As many prompts are unfinished as may be: <see cref="EngineOptions.MaxPrefills"/>.</summary>
    Prompts,

    /// <summary>KV memory for its prompt.</summary>
    Memory,
}
