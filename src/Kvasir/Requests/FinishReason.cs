namespace Kvasir;

/// <summary>Why a sequence ended.</summary>
public enum FinishReason
{
    /// <summary>It has not ended.</summary>
    None,

    /// <summary>The model gave an end-of-generation token.</summary>
    End,

    /// <summary>A stop string appeared.</summary>
    Stop,

    /// <summary>The token limit of the request was reached.</summary>
    Length,

    /// <summary>The context window is full.</summary>
    ContextFull,

    /// <summary>The KV memory is full, and nobody else has any of it; the answer so far is sound.</summary>
    KvFull,

    /// <summary>The caller cancelled.</summary>
    Cancelled,

    /// <summary>An error ended it; <see cref="Sequence.Failure"/> says which.</summary>
    Failed,
}
