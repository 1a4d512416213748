namespace Kvasir;

/// <summary>What went wrong with a file, a request or a limit, in words that its user can act on.</summary>
public sealed class KvasirException : Exception
{
    public KvasirException(KvasirError error, string message)
        : base(message) => Error = error;

    public KvasirException(KvasirError error, string message, Exception inner)
        : base(message, inner) => Error = error;

    /// <summary>The kind, for callers that answer in codes.</summary>
    public KvasirError Error { get; }

    /// <summary>Whether rows of a sequence are lost that were put on file, and nothing else is wrong: computing them again mends it.</summary>
    internal bool IsOfLostRows { get; init; }

    /// <summary>After what time the same request may be accepted, 1 to 60 s, where a queue refused it; null where time changes nothing.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
