using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>The tasks that the bundled needle model was trained on, worded as it knows them: every word, digit and full stop behind a space.</summary>
/// <param name="name">Of the task.</param>
/// <param name="draw">The text of so many words.</param>
/// <param name="leastWords">Without these the task makes no sense.</param>
internal sealed class NeedleModelTask(string name, Func<Dice, NeedleVocabulary, int, NeedleText> draw, int leastWords) : EvaluationTask
{
    // Behind the answer and its full stop, for a model that says something in between.
    private const int SpareTokens = 2;

    public static TaskEntry[] Entries { get; } =
    [
        Entry("needle_niah", "one of up to four numbers in idle words", NeedleRecall.One, 48),
        Entry("needle_multikey", "one of as many numbers as there is room for", NeedleRecall.OneOfMany, 16),
        Entry("needle_trace", "the variables that a number was handed on through, and the number", NeedleRecall.Variable, 84),
        Entry("needle_common", "the three words that come most often, the most frequent first", NeedleCounts.Often, 48),
        Entry("needle_frequent", "the most frequent word", NeedleCounts.MostFrequent, 24),
    ];

    public override Sample Generate(SampleRequest request)
    {
        var vocabulary = NeedleVocabulary.Of(request.Tokenizer);
        var fit = new SampleFit(name, request);
        return fit.Fill(
            words =>
            {
                var text = draw(Dice.Of(name, request), vocabulary, words);
                var room = fit.Count($" {string.Join(' ', text.Answers)} .") + SpareTokens;
                return new Sample(Spaced(text.Words), $" {text.Question}", "", text.Answers, room, ScoringRule.ContainsAll);
            },
            leastWords);
    }

    private static TaskEntry Entry(string name, string summary, Func<Dice, NeedleVocabulary, int, NeedleText> draw, int leastWords) =>
        new(name, "needle", summary, "the bundled needle model", _ => new NeedleModelTask(name, draw, leastWords));

    private static string Spaced(IReadOnlyList<string> words) => string.Concat(words.Select(word => " " + word));
}
