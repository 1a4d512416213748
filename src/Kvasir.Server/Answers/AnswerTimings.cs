namespace Kvasir.Server.Answers;

/// <summary>Where an answer's time went. The prompt's figures are those of the first choice, whose tokens are the first that a client sees.</summary>
internal sealed record AnswerTimings
{
    public AnswerTimings(ServedAnswer answer)
    {
        var first = answer.Choices[0].Sequence.Timings;
        CachedTokens = answer.ToldCachedTokens;
        (PromptTokens, PromptMs) = (answer.PromptTokens - CachedTokens, Known(first.PrefillMs));
        (PredictedTokens, PredictedMs) = (answer.CompletionTokens, answer.Choices.Max(static choice => Known(choice.Sequence.Timings.DecodeMs)));
        (QueueMs, LoadMs) = (Known(first.PrefillStartMs), Known(answer.LoadMs));
        CacheLoadMs = answer.HidesCacheUse ? 0 : Known(first.PrefixLoadMs);
        Guesses = (
            answer.Choices.Sum(static choice => choice.Sequence.Timings.GuessedTokens),
            answer.Choices.Sum(static choice => choice.Sequence.Timings.AcceptedTokens));
        RecomputedRows = answer.Choices.Sum(static choice => choice.Sequence.Timings.RecomputedRows);
        Preemptions = answer.Choices.Sum(static choice => choice.Sequence.Timings.PreemptionsMs.Count);
    }

    /// <summary>Tokens that were guessed, and those of them that were right.</summary>
    public (int Count, int Right) Guesses { get; }

    public int CachedTokens { get; }

    /// <summary>Tokens of prompts that were computed.</summary>
    public int PromptTokens { get; }

    public double PromptMs { get; }

    public int PredictedTokens { get; }

    public double PredictedMs { get; }

    public double QueueMs { get; }

    /// <summary>In which the request waited for its model.</summary>
    public double LoadMs { get; }

    /// <summary>In which rows of the prompt came from disk, or from further away.</summary>
    public double CacheLoadMs { get; }

    /// <summary>Rows that were computed again behind preemptions.</summary>
    public int RecomputedRows { get; }

    /// <summary>How often a choice gave its memory back to others.</summary>
    public int Preemptions { get; }

    private static double Known(double ms) => double.IsFinite(ms) ? Math.Round(ms, 3) : 0;
}
