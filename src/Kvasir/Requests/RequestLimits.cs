using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Requests.Guessing;

namespace Kvasir.Requests;

/// <summary>What an engine asks of a request's tokens, whatever its options: that they are the model's, and fit.</summary>
/// <param name="contextTokens">The most of a sequence.</param>
/// <param name="bytes">What a sequence takes, and may take.</param>
internal sealed class RequestLimits(int vocabularySize, int contextTokens, KvCache cache, SequenceBytes bytes)
{
    /// <summary>Whether a draft makes guesses.</summary>
    public bool HasDraft { get; init; }

    /// <exception cref="KvasirException">
    /// The prompt is empty, it or what is given has an unknown token or does not fit the context or the KV memory, or it does not begin with what it shares.
    /// </exception>
    /// <param name="policy">What the sequence will attend by.</param>
    /// <param name="auditShare">Of what it attends sparsely, that is attended densely as well.</param>
    public void Require(Sequence sequence, AttentionPolicy policy, double auditShare)
    {
        RequirePrompt(sequence, policy);
        RequireShared(sequence);
        if (HasDraft && sequence.Options.SpeculativeTokens > 0)
            DraftRules.Require(policy, auditShare);
    }

    private void RequirePrompt(Sequence sequence, AttentionPolicy policy)
    {
        var given = sequence.Options.GivenTokens;
        if (sequence.PromptCount == 0)
            throw new KvasirException(KvasirError.BadOption, "the prompt has no token");
        RequireTokens(sequence.Tokens, "the prompt has");
        RequireTokens(given.Span, "the given tokens have");
        // A last token that nothing follows is computed all the same, and a generated one is not.
        var needed = (long)sequence.PromptCount + given.Length + (sequence.Options.MaxTokens == 0 ? 0 : 1);
        var what = given.IsEmpty
            ? $"the prompt of {MessageText.Count(sequence.PromptCount, "token")}"
            : $"the prompt of {MessageText.Count(sequence.PromptCount, "token")} with {given.Length} given behind it";
        if (needed > contextTokens)
            throw new KvasirException(KvasirError.ContextExceeded, $"{what} leaves no room in the context of {contextTokens}");
        var shared = sequence.Shared?.TokenCount ?? 0;
        if (needed <= int.MaxValue && bytes.Fits(policy, (int)needed, sequence.TakeBack, shared))
            return;
        var index = needed <= int.MaxValue ? bytes.Index(policy, (int)needed, (int)needed, sequence.TakeBack, shared) : 0;
        var indexed = index == 0 ? "" : $" and {index} of indexes";
        throw new KvasirException(
            KvasirError.KvMemoryExceeded,
            $"{what} needs {cache.RowBytes(needed) + cache.OpenPageBytes} bytes of KV memory{indexed}, "
                + $"and the limit of {MessageText.Count(bytes.LimitBytes, "byte")}{cache.DiskNote} "
                + $"holds {MessageText.Count(bytes.TokensThatFit(policy), "token")}");
    }

    private void RequireShared(Sequence sequence)
    {
        if (sequence.Shared?.IsElsewhere(cache) == true)
            throw new KvasirException(KvasirError.BadOption, "the shared prompt's rows lie in another engine's memory; a shared prompt is for one engine");
        if (sequence.Shared is { } shared && !shared.Begins(sequence.Tokens))
            throw new KvasirException(
                KvasirError.BadOption,
                $"the prompt of {MessageText.Count(sequence.PromptCount, "token")} does not begin with the {shared.TokenCount} that are shared");
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
