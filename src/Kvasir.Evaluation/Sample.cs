using Kvasir.Evaluation.Scoring;

namespace Kvasir.Evaluation;

/// <summary>One question about one text. Context and question are kept apart, so that both protocols can be run from the same sample.</summary>
/// <param name="Context">Instruction and text; what a policy indexes before it knows the question.</param>
/// <param name="Question">Follows the context, with the white space that parts them.</param>
/// <param name="AnswerPrefix">How the answer begins; with a chat model, the beginning of the model's turn. May be empty.</param>
/// <param name="Answers">The expected strings; what they mean depends on <paramref name="Rule"/>.</param>
/// <param name="AnswerTokens">Most tokens that an answer may take.</param>
/// <param name="Rule">How an answer is scored.</param>
public sealed record Sample(string Context, string Question, string AnswerPrefix, IReadOnlyList<string> Answers, int AnswerTokens, ScoringRule Rule)
{
    /// <summary>Where the needle lies, 0 at the beginning of the text and 1 at its end; null where that is not what varies.</summary>
    public double? Depth { get; init; }

    /// <summary>The whole prompt of a model that completes text.</summary>
    public string Prompt => Context + Question + AnswerPrefix;

    /// <summary>In 0 to 1.</summary>
    /// <param name="answer">What the model wrote after the prefix.</param>
    public double Score(string answer) => AnswerScore.Of(Rule, answer, Answers);
}
