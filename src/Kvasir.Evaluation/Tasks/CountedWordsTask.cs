using System.Text;
using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>A numbered list in which ten words come often and all others seldom, behind an example of such a list; the ten are asked for.</summary>
internal sealed class CountedWordsTask : EvaluationTask
{
    private const string Name = "cwe";

    private const int Wanted = 10;

    private const int RulerAnswerTokens = 120;

    private const string Question = "\n\nWhich ten words are the most common in the list above?";

    private const string Prefix = " The ten most common words are:";

    // RULER's lists from 4096 tokens on, and below. A tokenizer that spends so many tokens on a word that they do not fit gets the next ones.
    private static readonly (int FromTokens, WordCounts Counts, int ExampleWords, WordCounts Example)[] Steps =
    [
        (4096, new(30, 3), 40, new(10, 3)),
        (0, new(6, 1), 20, new(3, 1)),
        (0, new(6, 1), 0, default),
    ];

    public static TaskEntry Entry { get; } =
        new(Name, TaskCatalog.Ruler, "the ten words that are most common in a list", TaskCatalog.RulerPaper, _ => new CountedWordsTask());

    public override Sample Generate(SampleRequest request)
    {
        var dice = Dice.Of(Name, request);
        var fit = new SampleFit(Name, request);
        var plain = dice.Draw(Lexicon.Words, Lexicon.Words.Length);
        foreach (var (fromTokens, counts, exampleWords, example) in Steps)
        {
            if (request.LengthTokens < fromTokens)
                continue;
            var sample = FilledFrom(plain) ?? FilledFrom(Compounds(dice.Part(0)));
            if (sample is not null)
                return sample;

            Sample? FilledFrom(string[] words)
            {
                var shown = exampleWords == 0 ? "" : Shown(words[^exampleWords..], example, dice.Part(1));
                return fit.TryFill(distinct => Asked(fit, shown, words[..distinct], counts, dice.Part(2)), 2 * Wanted, words.Length - exampleWords);
            }
        }

        return fit.Fill(distinct => Asked(fit, "", plain[..distinct], Steps[^1].Counts, dice.Part(2)), 2 * Wanted, plain.Length);
    }

    private static Sample Asked(SampleFit fit, string example, string[] words, WordCounts counts, Dice dice)
    {
        var answers = words[..Wanted];
        return new Sample(
            example + List(words, counts, dice), Question, Prefix, answers, fit.AnswerTokens(RulerAnswerTokens, answers), ScoringRule.ContainsAll);
    }

    private static string Shown(string[] words, WordCounts counts, Dice dice) =>
        $"{List(words, counts, dice)}{Question}{Prefix}{Numbered(words[..Wanted])}\n\n";

    private static string List(string[] words, WordCounts counts, Dice dice)
    {
        string[] all = [.. words.SelectMany((word, i) => Enumerable.Repeat(word, i < Wanted ? counts.Often : counts.Seldom))];
        dice.Shuffle<string>(all);
        return $"Some words come often in the numbered list below, and some come seldom. Keep the most common ones in mind.\n\n{Numbered(all)[1..]}";
    }

    private static string Numbered(string[] words)
    {
        var text = new StringBuilder();
        for (var i = 0; i < words.Length; i++)
            text.Append(' ').Append(i + 1).Append(". ").Append(words[i]);
        return text.ToString();
    }

    // Plain words suffice for some ten thousand tokens; beyond that every word is two nouns in one, and none comes from two pairs.
    private static string[] Compounds(Dice dice) =>
        dice.Draw(
            [.. Lexicon.Nouns.SelectMany(first => Lexicon.Nouns, (first, second) => first + second).Distinct()],
            Lexicon.Nouns.Length * Lexicon.Nouns.Length / 2);
}

/// <summary>How often words come in a list of <see cref="CountedWordsTask"/>.</summary>
/// <param name="Often">Of the words that are asked for.</param>
/// <param name="Seldom">Of the others.</param>
internal readonly record struct WordCounts(int Often, int Seldom);
