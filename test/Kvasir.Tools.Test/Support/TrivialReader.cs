using System.Text.RegularExpressions;
using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Support;

/// <summary>Answers generated samples as a program of few lines can: it looks at context and question, and at nothing else of a sample.</summary>
internal static class TrivialReader
{
    public static string Answer(string task, Sample sample) => task switch
    {
        "vt" => Variables(sample),
        "cwe" => string.Join(", ", Frequent(LastList(sample.Context), 10)),
        "fwe" => string.Join(", ", Frequent(Regex.Matches(LastParagraph(sample.Context), @"\b[a-z]{6}\b"), 3)),
        "passkey" => Regex.Match(sample.Context, @"The pass key is (\d+)\.").Groups[1].Value,
        "qa_1" or "qa_2" => Regex.Match(sample.Context, $@"Now {Regex.Match(sample.Question, @"person\d+").Value} lives in (\w+)\.").Groups[1].Value,
        "needle_niah" or "needle_multikey" => Behind(sample, Regex.Match(sample.Question, @"key \w+").Value),
        "needle_trace" => Traced(sample, Regex.Match(sample.Question, @"VAR (\w+)").Groups[1].Value),
        "needle_common" => string.Join(' ', Frequent(Regex.Matches(sample.Context, @"\w+"), sample.Answers.Count)),
        "needle_frequent" => Frequent(Regex.Matches(sample.Context, @"\w+"), 1)[0],
        _ => string.Join(", ", Regex.Matches(sample.Context, @"The secret \w+ of (\S+) is (\S+)\.").Where(needle => Asks(sample.Question, needle.Groups[1].Value)).Select(needle => needle.Groups[2].Value)),
    };

    private static bool Asks(string question, string name) => Regex.IsMatch(question, $@"[ ]{Regex.Escape(name)}[, ]");

    private static string Behind(Sample sample, string words) => Regex.Match(sample.Context, $@"{words} (\d\d) \.").Groups[1].Value;

    private static string Traced(Sample sample, string name)
    {
        var found = new List<string>();
        for (; Regex.Match(sample.Context, $@"VAR {name} ([a-z]+) \.") is { Success: true } handedOn; found.Add(name))
            name = handedOn.Groups[1].Value;
        return string.Join(' ', [.. found, Behind(sample, $"VAR {name}")]);
    }

    private static string LastParagraph(string context) => context[(context.LastIndexOf("\n\n", StringComparison.Ordinal) + 2)..];

    private static MatchCollection LastList(string context) => Regex.Matches(LastParagraph(context), @"\d+\. (\w+)");

    private static string[] Frequent(IEnumerable<Match> words, int count) =>
        [.. words.GroupBy(match => match.Groups[^1].Value).OrderByDescending(group => group.Count()).Take(count).Select(group => group.Key)];

    private static string Variables(Sample sample)
    {
        var value = Regex.Match(sample.Question, @"\d{5}").Value;
        var holds = new List<string>();
        foreach (Match assignment in Regex.Matches(LastParagraph(sample.Context), @"VAR (\w+) = (?:VAR )?(\w+)\."))
        {
            if (assignment.Groups[2].Value == value || holds.Contains(assignment.Groups[2].Value))
                holds.Add(assignment.Groups[1].Value);
        }

        return string.Join(' ', holds);
    }
}
