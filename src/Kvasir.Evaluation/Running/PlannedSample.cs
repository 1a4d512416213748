namespace Kvasir.Evaluation.Running;

/// <summary>A sample as a plan numbers it.</summary>
/// <param name="Index">Counts from 0.</param>
/// <param name="AnswerTokens">Most tokens that follow the prompt.</param>
internal sealed record PlannedSample(int Index, PromptTokens Prompt, int AnswerTokens)
{
    /// <summary>Question and expected answers; null for a text alone.</summary>
    public Sample? Text { get; init; }

    /// <summary>Tokens that those fed under the policy should predict; empty where answers are wanted.</summary>
    public IReadOnlyList<int> Targets { get; init; } = [];

    /// <summary>Tokens that a sequence of it may reach.</summary>
    public int TokenLimit => Prompt.Tokens.Count + AnswerTokens;
}
