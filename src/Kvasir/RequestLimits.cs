using Kvasir.Cache;

namespace Kvasir;

/// <summary>What an engine asks of a request's tokens, whatever its options: that they are the model's, and fit.</summary>
/// <param name="contextTokens">The most of a sequence.</param>
/// <param name="kvMemoryBytes">That the cache may take.</param>
internal sealed class RequestLimits(int vocabularySize, int contextTokens, KvCache cache, long kvMemoryBytes)
{
    /// <exception cref="KvasirException">
    /// The prompt is empty, it or what is given has an unknown token or does not fit the context or the KV memory, or it does not begin with what it shares.
    /// </exception>
    public void Require(Sequence sequence)
    {
        RequirePrompt(sequence);
        RequireShared(sequence);
    }

    private void RequirePrompt(Sequence sequence)
    {
        var given = sequence.Options.GivenTokens;
        if (sequence.PromptCount == 0)
            throw new KvasirException(KvasirError.BadOption, "the prompt has no token");
        RequireTokens(sequence.Tokens, "the prompt has");
        RequireTokens(given.Span, "the given tokens have");
        // A last token that nothing follows is computed all the same, and a generated one is not.
        var needed = (long)sequence.PromptCount + given.Length + (sequence.Options.MaxTokens == 0 ? 0 : 1);
        var what = given.IsEmpty ? $"the prompt of {sequence.PromptCount} tokens" : $"the prompt of {sequence.PromptCount} tokens with {given.Length} given behind it";
        if (needed > contextTokens)
            throw new KvasirException(KvasirError.ContextExceeded, $"{what} leaves no room in the context of {contextTokens}");
        if (needed > cache.TokenLimit)
        {
            throw new KvasirException(
                KvasirError.KvMemoryExceeded,
                $"{what} needs {needed * cache.BytesPerToken} bytes of KV memory, and the limit of {kvMemoryBytes} bytes holds {cache.TokenLimit} tokens");
        }
    }

    private void RequireShared(Sequence sequence)
    {
        if (sequence.Shared?.IsElsewhere(cache) == true)
            throw new KvasirException(KvasirError.BadOption, "the shared prompt's rows lie in another engine's memory; a shared prompt is for one engine");
        if (sequence.Shared is { } shared && !shared.Begins(sequence.Tokens))
            throw new KvasirException(KvasirError.BadOption, $"the prompt of {sequence.PromptCount} tokens does not begin with the {shared.TokenCount} that are shared");
    }

    private void RequireTokens(ReadOnlySpan<int> tokens, string subject)
    {
        foreach (var token in tokens)
        {
            if ((uint)token >= (uint)vocabularySize)
                throw new KvasirException(KvasirError.BadOption, $"{subject} token {token}, but the vocabulary has {vocabularySize}");
        }
    }
}
