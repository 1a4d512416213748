using Kvasir.Evaluation.Scoring;

namespace Kvasir.Evaluation.Files;

/// <summary>
/// The English and code sets of LongBench: how each is asked and scored. The wording is this project's own, so that scores compare policies and not
/// papers. Question types (trec) are scored by whether the answer names the right one.
/// </summary>
internal static class LongBench
{
    private const string FewWords = "Answer the question from the text above, in a few words and nothing else.\n\nQuestion: {0}";

    private static readonly Dictionary<string, (string Question, string Prefix, int AnswerTokens, ScoringRule Rule)> Sets = new()
    {
        ["narrativeqa"] = (FewWords, "\nAnswer:", 128, ScoringRule.WordF1),
        ["qasper"] = (FewWords, "\nAnswer:", 128, ScoringRule.WordF1),
        ["multifieldqa_en"] = (FewWords, "\nAnswer:", 64, ScoringRule.WordF1),
        ["hotpotqa"] = (FewWords, "\nAnswer:", 32, ScoringRule.WordF1),
        ["2wikimqa"] = (FewWords, "\nAnswer:", 32, ScoringRule.WordF1),
        ["musique"] = (FewWords, "\nAnswer:", 32, ScoringRule.WordF1),
        ["triviaqa"] = ("{0}", "", 32, ScoringRule.WordF1),
        ["gov_report"] = ("Summarise the report above on one page.", "\nSummary:", 512, ScoringRule.LongestSequence),
        ["qmsum"] = ("Answer from the meeting above, in a paragraph.\n\nQuestion: {0}", "\nAnswer:", 512, ScoringRule.LongestSequence),
        ["multi_news"] = ("Summarise all of the news above on one page.", "\nSummary:", 512, ScoringRule.LongestSequence),
        ["samsum"] = ("{0}", "", 128, ScoringRule.LongestSequence),
        ["trec"] = ("{0}", "", 64, ScoringRule.ContainsAny),
        ["passage_count"] = (
            "How many different paragraphs are above, counting repeated ones once? Answer with the number alone.", "\nNumber:", 32, ScoringRule.Numbers),
        ["passage_retrieval_en"] = (
            "Which of the paragraphs above does this summary belong to?\n\n{0}\n\nAnswer as in: Paragraph 1.", "\nAnswer:", 32, ScoringRule.Numbers),
        ["lcc"] = ("{0}", "", 64, ScoringRule.FirstLine),
        ["repobench-p"] = ("{0}", "", 64, ScoringRule.FirstLine),
    };

    /// <summary>The sample of a line.</summary>
    public static Sample Read(JsonLine line)
    {
        var name = line.Text("dataset");
        var set = name.EndsWith("_e", StringComparison.Ordinal) ? name[..^2] : name;
        if (!Sets.TryGetValue(set, out var rules))
            throw new KvasirException(
                KvasirError.Unsupported, $"{line.File}:{line.Number}: dataset '{name}' is not supported; supported: {string.Join(", ", Sets.Keys)}");
        // Code goes on where it stops; everything else is asked about.
        var question = rules.Question.Replace("{0}", line.FindText("input") ?? "", StringComparison.Ordinal);
        return new Sample(
            line.Text("context"),
            rules.Rule == ScoringRule.FirstLine ? question : "\n\n" + question,
            rules.Prefix,
            line.Texts("answers"),
            rules.AnswerTokens,
            rules.Rule);
    }
}
