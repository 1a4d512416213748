namespace Kvasir.Server.Errors;

/// <summary>Why a request gets no answer, or no more of it, whatever the dialect.</summary>
/// <param name="Kind">The cause.</param>
/// <param name="Message">Names the thing, the value and the limit; never empty.</param>
internal sealed record RequestError(ErrorKind Kind, string Message)
{
    /// <summary>Where in the request, as messages[2].content[0].type.</summary>
    public string? Param { get; init; }

    /// <summary>Of a prompt that does not fit: its tokens, and the limit.</summary>
    public Overflow? Overflow { get; init; }

    /// <summary>From 1 to 60, for kinds that may be retried.</summary>
    public int RetryAfterSeconds { get; init; } = 1;

    /// <summary>Methods that a route has.</summary>
    public string? Allow { get; init; }
}

/// <summary>A prompt that does not fit: its tokens, and those that there is room for.</summary>
internal sealed record Overflow(int PromptTokens, long ContextTokens)
{
    /// <summary>Of the memory that the prompt needs and the memory there is; null where the context is the limit.</summary>
    public (long Needed, long Limit)? Bytes { get; init; }

    /// <summary>Tokens that there has to be room for behind it.</summary>
    public int AnswerTokens { get; init; } = 1;

    /// <summary>Whether the prompt has that many tokens at least: its text is so long that it was not tokenised.</summary>
    public bool IsLeast { get; init; }
}
