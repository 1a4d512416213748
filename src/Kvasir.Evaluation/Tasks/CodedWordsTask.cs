using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>
/// Made-up words whose numbers fall with the square of their rank, as a zeta distribution with alpha 2 has them. The first rank is dots, which are
/// noise; the three words behind it are asked for.
/// </summary>
internal sealed class CodedWordsTask : EvaluationTask
{
    private const string Name = "fwe";

    private const string Noise = "...";

    private const int Words = 2000;

    private const int Letters = 6;

    private const int Wanted = 3;

    // Zeta(2): the sum over all ranks.
    private const double Zeta = Math.PI * Math.PI / 6;

    private const int RulerAnswerTokens = 50;

    // With fewer words in all, the last one that is asked for would not come at all.
    private const int LeastTotal = 27;

    public static TaskEntry Entry { get; } =
        new(Name, TaskCatalog.Ruler, "the three most frequent of made-up words", TaskCatalog.RulerPaper, _ => new CodedWordsTask());

    public override Sample Generate(SampleRequest request)
    {
        var dice = Dice.Of(Name, request);
        var words = Coded(dice.Part(0));
        var answers = words[1..(Wanted + 1)];
        var fit = new SampleFit(Name, request);
        var empty = new Sample(
            "",
            "\n\nWhich three words are the most frequent in the coded text above? The dots do not count.",
            " The three most frequent words are:",
            answers,
            fit.AnswerTokens(RulerAnswerTokens, answers),
            ScoringRule.ContainsAll);
        return fit.Fill(
            total => empty with
            {
                Context = "The text below is written in coded words. Keep in mind how often each of them comes; the dots mean nothing.\n\n"
                    + string.Join(' ', Scattered(words, total, dice.Part(1))),
            },
            LeastTotal);
    }

    private static int CountOf(int rank, int total) => (int)(total / (Zeta * rank * rank));

    private static string[] Scattered(string[] words, int total, Dice dice)
    {
        // Rounding may make the last word that is asked for as frequent as the next one; it then has one more.
        var last = CountOf(Wanted + 1, total) == CountOf(Wanted + 2, total) ? 1 : 0;
        string[] all = [.. words.SelectMany((word, i) => Enumerable.Repeat(word, CountOf(i + 1, total) + (i == Wanted ? last : 0)))];
        dice.Shuffle<string>(all);
        return all;
    }

    // Different words; the first is the noise.
    private static string[] Coded(Dice dice)
    {
        var words = new List<string> { Noise };
        var known = new HashSet<string>();
        while (words.Count < Words)
        {
            var word = string.Concat(Enumerable.Range(0, Letters).Select(_ => (char)('a' + dice.Below(26))));
            if (known.Add(word))
                words.Add(word);
        }

        return [.. words];
    }
}
