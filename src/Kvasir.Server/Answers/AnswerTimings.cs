namespace Kvasir.Server.Answers;

/// <summary>Where an answer's time went. The prompt's figures are those of the first choice, whose tokens are the first that a client sees.</summary>
internal sealed record AnswerTimings(int CachedTokens, int PromptTokens, double PromptMs, int PredictedTokens, double PredictedMs, double QueueMs)
{
    public static AnswerTimings Of(ServedAnswer answer)
    {
        var first = answer.Choices[0].Sequence;
        var cached = answer.CachedTokens;
        return new AnswerTimings(
            cached,
            answer.PromptTokens - cached,
            Known(first.Timings.PrefillMs),
            answer.CompletionTokens,
            answer.Choices.Max(static choice => Known(choice.Sequence.Timings.DecodeMs)),
            Known(first.Timings.PrefillStartMs));
    }

    private static double Known(double ms) => double.IsFinite(ms) ? Math.Round(ms, 3) : 0;
}
