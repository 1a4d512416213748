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

    /// <summary>The waiting queue is full.</summary>
    QueueFull,

    /// <summary>A chat template failed or uses what the evaluator does not know.</summary>
    BadTemplate,

    /// <summary>The engine was closed, or failed, while the request was in it.</summary>
    Closed,
}
