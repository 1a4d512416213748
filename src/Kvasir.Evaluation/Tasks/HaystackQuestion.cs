namespace Kvasir.Evaluation.Tasks;

/// <summary>One of the questions about a <see cref="NeedleHaystack"/>.</summary>
/// <param name="Asked">As "key dalor" or "VAR sonin".</param>
/// <param name="Answer">As the model writes it: the variables on the way, if any, and the number.</param>
/// <param name="Depth">Where the text says it, 0 at its beginning and 1 at its end.</param>
internal sealed record HaystackQuestion(string Asked, string Answer, double Depth)
{
    /// <summary>What follows the text.</summary>
    public string Prompt => $" question : {Asked}";

    /// <summary>What is asked for.</summary>
    public string Number => Answer[(Answer.LastIndexOf(' ') + 1)..];

    /// <summary>The first number of an answer; null for none.</summary>
    public static string? NumberIn(string answer) =>
        answer.Split([' ', '.', '\n'], StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(static word => word.All(char.IsAsciiDigit));

    public bool IsAnsweredBy(string answer) => NumberIn(answer) == Number;
}
