namespace Kvasir;

/// <summary>Kinds of <see cref="KvasirException"/>.</summary>
public enum KvasirError
{
    /// <summary>A file is missing or cannot be read.</summary>
    FileNotFound,

    /// <summary>A file is damaged or contradicts itself.</summary>
    BadFile,

    /// <summary>A file is sound, but what it describes is not supported.</summary>
    Unsupported,

    /// <summary>An option or argument is out of its range.</summary>
    BadOption,

    /// <summary>The prompt and the answer do not fit the context.</summary>
    ContextExceeded,

    /// <summary>The KV cache has no memory for the request.</summary>
    KvMemoryExceeded,

    /// <summary>As many sequences wait as may.</summary>
    QueueFull,

    /// <summary>Prompts of as many tokens wait as may.</summary>
    QueueTokensFull,

    /// <summary>Prompts of as many bytes wait as may.</summary>
    QueueBytesFull,

    /// <summary>As many sequences of one client wait as may.</summary>
    ClientQueueFull,

    /// <summary>The request waited for as long as it may, and nothing of it was computed.</summary>
    QueueTimeout,

    /// <summary>The request's own time is over, or the most that the engine gives to any.</summary>
    DeadlineExceeded,

    /// <summary>The engine takes no requests any more and ends those that it has.</summary>
    Draining,

    /// <summary>A chat template failed or uses what the evaluator does not know.</summary>
    BadTemplate,

    /// <summary>The engine or its model was disposed while the request was in it.</summary>
    Closed,

    /// <summary>Numbers that a model computed, or that were computed from it, are NaN or infinite.</summary>
    NotFinite,

    /// <summary>Something threw in the middle of a step: what the request brought along, or the engine itself. The inner exception is the cause.</summary>
    Fault,
}
