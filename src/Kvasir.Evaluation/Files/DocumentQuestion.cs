namespace Kvasir.Evaluation.Files;

/// <summary>A question that some documents answer.</summary>
/// <param name="Question">As asked.</param>
/// <param name="Answers">Any of them is right.</param>
/// <param name="Documents">What has to be read.</param>
/// <param name="Near">Documents about the same matter that do not have to be read; the first to stand around those that do.</param>
internal sealed record DocumentQuestion(string Question, string[] Answers, string[] Documents, string[] Near);
