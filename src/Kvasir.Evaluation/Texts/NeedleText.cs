namespace Kvasir.Evaluation.Texts;

/// <summary>A text of the needle model's words, and what is asked about it.</summary>
/// <param name="Words">Of the text; full stops are words.</param>
/// <param name="Question">Words, up to the answer.</param>
/// <param name="Answers">As the model writes them, in this order; a full stop ends them.</param>
internal sealed record NeedleText(IReadOnlyList<string> Words, string Question, IReadOnlyList<string> Answers);
