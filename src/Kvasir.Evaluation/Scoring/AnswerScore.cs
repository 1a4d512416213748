using System.Text;

namespace Kvasir.Evaluation.Scoring;

/// <summary>Scores an answer against the strings that were expected.</summary>
public static class AnswerScore
{
    /// <summary>In 0 to 1; the score of a task is the mean over its samples.</summary>
    /// <param name="rule">How to compare.</param>
    /// <param name="answer">What the model wrote.</param>
    /// <param name="expected">One string or more, none of them empty.</param>
    public static double Of(ScoringRule rule, string answer, IReadOnlyList<string> expected)
    {
        ArgumentNullException.ThrowIfNull(answer);
        ArgumentNullException.ThrowIfNull(expected);
        if (expected.Count == 0 || expected.Any(string.IsNullOrEmpty))
            throw new ArgumentException("an answer is expected to be one string or more, none of them empty", nameof(expected));
        var read = Printable(answer);
        return rule switch
        {
            ScoringRule.ContainsAll => expected.Average(text => Contains(read, text) ? 1.0 : 0.0),
            ScoringRule.ContainsAny => expected.Any(text => Contains(read, text)) ? 1 : 0,
            ScoringRule.WordF1 => expected.Max(text => WordF1(PlainWords(read), PlainWords(text))),
            ScoringRule.LongestSequence => expected.Max(text => SequenceF1<string>(PlainWords(read), PlainWords(text))),
            ScoringRule.FirstLine => CodeLine(read) is var line ? expected.Max(text => SequenceF1<char>(line, text)) : 0,
            ScoringRule.Numbers => expected.Max(text => NumberShare(Numbers(read), Numbers(text))),
            _ => throw new ArgumentOutOfRangeException(nameof(rule), rule, "is no scoring rule"),
        };
    }

    // RULER reads control characters as line ends, so that a string which one of them cuts is not found.
    private static string Printable(string text) => string.Create(text.Length, text, static (target, source) =>
    {
        for (var i = 0; i < target.Length; i++)
            target[i] = source[i] < ' ' ? '\n' : source[i];
    }).Trim();

    private static bool Contains(string answer, string text) => answer.Contains(text, StringComparison.OrdinalIgnoreCase);

    // As SQuAD compares: without case, punctuation and articles.
    private static string[] PlainWords(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (var letter in text)
        {
            if (!char.IsAscii(letter) || !(char.IsPunctuation(letter) || char.IsSymbol(letter)))
                plain.Append(char.ToLowerInvariant(letter));
        }

        return [.. plain.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Where(word => word is not ("a" or "an" or "the"))];
    }

    private static double WordF1(string[] answer, string[] expected)
    {
        var open = new Dictionary<string, int>();
        foreach (var word in expected)
            open[word] = open.GetValueOrDefault(word) + 1;
        var shared = 0;
        foreach (var word in answer)
        {
            if (open.GetValueOrDefault(word) is var left and > 0)
            {
                open[word] = left - 1;
                shared++;
            }
        }

        return HarmonicMean(shared, answer.Length, expected.Length);
    }

    private static double SequenceF1<T>(ReadOnlySpan<T> answer, ReadOnlySpan<T> expected)
        where T : IEquatable<T>
    {
        // longest[i]: the longest common subsequence of the answer so far and the first i expected words.
        var longest = new int[expected.Length + 1];
        foreach (var item in answer)
        {
            var diagonal = 0;
            for (var i = 1; i < longest.Length; i++)
            {
                var above = longest[i];
                longest[i] = item.Equals(expected[i - 1]) ? diagonal + 1 : Math.Max(above, longest[i - 1]);
                diagonal = above;
            }
        }

        return HarmonicMean(longest[^1], answer.Length, expected.Length);
    }

    // Marks of comments and of a block's border.
    private static string CodeLine(string answer) =>
        answer.Split('\n').FirstOrDefault(line =>
            line.Trim().Length > 0 && !line.Contains('`') && !line.Contains('#') && !line.Contains("//", StringComparison.Ordinal))
            ?? "";

    private static string[] Numbers(string text) =>
        new string([.. text.Select(letter => char.IsAsciiDigit(letter) ? letter : ' ')]).Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static double NumberShare(string[] answer, string[] expected) =>
        answer.Length == 0 || expected.Length == 0 ? 0 : answer.Average(number => number == expected[0] ? 1.0 : 0.0);

    private static double HarmonicMean(int shared, int answered, int expected) => shared == 0 ? 0 : 2.0 * shared / (answered + expected);
}
