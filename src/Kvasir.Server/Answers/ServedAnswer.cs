using Kvasir.Cache;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Answers;

/// <summary>A request that was accepted, and its choices as they come.</summary>
/// <param name="request">What was asked for.</param>
/// <param name="choices">Prompt by prompt.</param>
/// <param name="createdAt">When it was accepted.</param>
internal sealed class ServedAnswer(AnswerRequest request, IReadOnlyList<Choice> choices, DateTimeOffset createdAt)
{
    private int _submitted;

    public AnswerRequest Request => request;

    public ServedModel Model => request.Model;

    public IReadOnlyList<Choice> Choices => choices;

    public DateTimeOffset CreatedAt => createdAt;

    /// <summary>In which the request waited for its model.</summary>
    public double LoadMs { get; init; }

    /// <summary>Completes when all prompts are about to be computed, or will not be: then it is known what was there of them.</summary>
    public Task Started => Task.WhenAll(Prompts.Select(static choice => choice.Sequence.Timings.Started));

    /// <summary>Rings when there is more to read of a choice, and when whoever waits for that is to look up for another reason.</summary>
    public required AnswerBell Bell { get; init; }

    public bool HasEnded
    {
        get
        {
            var hasEnded = true;
            for (var i = 0; i < choices.Count; i++)
                hasEnded &= choices[i].HasEnded;
            return hasEnded;
        }
    }

    /// <summary>Whether all choices were put into the queue.</summary>
    public bool IsSubmitted => _submitted == choices.Count;

    /// <summary>Of all prompts, each once however many choices it has.</summary>
    public int PromptTokens => Prompts.Sum(static choice => choice.PromptTokens);

    /// <summary>Whether the client is told nothing of what was there of its prompts.</summary>
    public bool HidesCacheUse { get; init; }

    /// <summary>Tokens of the prompts that were not computed, since they were there.</summary>
    public int CachedTokens => Prompts.Sum(static choice => choice.Sequence.CachedTokens);

    /// <summary>Of these, what the client is told.</summary>
    public int ToldCachedTokens => HidesCacheUse ? 0 : CachedTokens;

    /// <summary>Those of <see cref="ToldCachedTokens"/> that came from beyond memory.</summary>
    public int ToldStoredTokens => HidesCacheUse ? 0 : Prompts.Sum(static choice => choice.Sequence.StoredTokens);

    /// <summary>Tokens of the prompts that whoever begins with the same will find, as far as the client is told.</summary>
    public int ToldCacheWriteTokens => HidesCacheUse ? 0 : choices.Sum(static choice => choice.Sequence.CacheWriteTokens);

    /// <summary>Of these, what is kept for at least so long, since the request marks it.</summary>
    public int ToldCacheWriteTokensKept(TimeSpan time) => HidesCacheUse ? 0 : choices.Sum(choice => KeptTokens(choice.Sequence, time));

    /// <summary>Rows of the prompts that are in the cache now: progress.</summary>
    public int ComputedPromptTokens => Prompts.Sum(static choice => choice.ComputedPromptTokens);

    /// <summary>Generated and read so far.</summary>
    public int CompletionTokens => choices.Sum(static choice => choice.TokenCount);

    /// <summary>Of these, what models thought.</summary>
    public int ReasoningTokens => choices.Sum(static choice => choice.ReasoningTokens);

    /// <summary>Since the first choice was made.</summary>
    public double ElapsedMs => choices[0].Sequence.Timings.ElapsedMs;

    /// <summary>Whether no token was generated yet.</summary>
    public bool IsInPrefill => choices.All(static choice => !choice.HasBegun);

    private IEnumerable<Choice> Prompts => choices.Where((_, i) => i % request.ChoiceCount == 0);

    /// <summary>The next choice to be put into the queue; null where all are, or enough are there.</summary>
    /// <param name="most">Of choices that have no end yet.</param>
    public Choice? TrySubmit(int most)
    {
        if (_submitted == choices.Count || choices.Take(_submitted).Count(static choice => !choice.HasEnded) >= most)
            return null;
        return choices[_submitted++];
    }

    // What is written begins behind what was there.
    private static int KeptTokens(Sequence sequence, TimeSpan time)
    {
        var kept = sequence.Options.Keep.Where(keep => keep.Time >= time).Select(static keep => keep.Tokens / PagePool.PageTokens * PagePool.PageTokens);
        return Math.Clamp(kept.DefaultIfEmpty(0).Max() - sequence.CachedTokens, 0, sequence.CacheWriteTokens);
    }

    /// <summary>The client is gone.</summary>
    public void Leave()
    {
        Cancel();
        Bell.Ring();
    }

    /// <summary>Nobody waits for more of it.</summary>
    public void Cancel()
    {
        foreach (var choice in choices)
            choice.Sequence.Cancel();
    }
}
