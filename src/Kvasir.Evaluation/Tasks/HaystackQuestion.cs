namespace Kvasir.Evaluation.Tasks;

/// <summary>One of the questions about a <see cref="NeedleHaystack"/>.</summary>
/// <param name="Asked">As "key dalor" or "VAR sonin".</param>
/// <param name="Answer">The number that is expected.</param>
/// <param name="Depth">Where the text says it, 0 at its beginning and 1 at its end.</param>
internal sealed record HaystackQuestion(string Asked, string Answer, double Depth)
{
    /// <summary>What follows the text.</summary>
    public string Prompt => $" question : {Asked}";

    /// <summary>Whether the first word of an answer is the number.</summary>
    public bool IsAnsweredBy(string answer) => answer.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is [var first, ..] && first.TrimEnd('.') == Answer;
}
