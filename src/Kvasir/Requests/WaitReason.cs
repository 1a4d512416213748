namespace Kvasir;

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
