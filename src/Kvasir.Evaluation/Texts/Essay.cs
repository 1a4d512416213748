namespace Kvasir.Evaluation.Texts;

/// <summary>
/// Prose from a small grammar, in the place of RULER's essays, which may not be bundled. Each sentence depends on the seed and its number alone.
/// </summary>
internal sealed class Essay(Dice dice) : Haystack
{
    private static readonly string[] Openings =
        [
            "", "", "", "", "At first", "Later", "In those years", "Some say that", "It is often forgotten that",
            "As a rule", "On quiet days", "More than once", "For that reason", "In the end",
        ];

    private static readonly string[] Links = ["because", "while", "although", "so that", "and yet", "before", "after", "just as", "until", "since"];

    private static readonly string[] Places =
        ["near the", "behind the", "beyond the", "beside the", "under the", "above the", "at the", "in front of the", "not far from the", "on the way to the"];

    private static readonly string[] Thoughts =
        [
            "nobody knew why", "which surprised no one", "as everybody expected", "though few would admit it",
            "and that was enough", "or so the story goes", "which is harder than it sounds",
        ];

    private static readonly string[] Owners = ["the", "the", "the", "every", "one", "their", "our", "this"];

    protected override string Sentence(int index)
    {
        var draws = dice.Part(index);
        var opening = draws.Pick(Openings);
        var text = draws.Below(5) switch
        {
            0 => Clause(draws),
            1 => $"{Clause(draws)} {draws.Pick(Places)} {Noun(draws)}",
            2 => $"{Clause(draws)} {draws.Pick(Links)} {Clause(draws)}",
            3 => $"{Clause(draws)}, {draws.Pick(Thoughts)}",
            _ => $"{Thing(draws)} was {draws.Pick(Lexicon.Adjectives)}, and {Clause(draws)}",
        };
        text = opening.Length == 0 ? text : $"{opening} {text}";
        return $"{char.ToUpperInvariant(text[0])}{text[1..]}.";
    }

    private static string Clause(Dice draws) => $"{Thing(draws)} {draws.Pick(Lexicon.Verbs)} {Thing(draws)}";

    private static string Thing(Dice draws)
    {
        var owner = draws.Pick(Owners);
        return draws.Below(2) == 0 ? $"{owner} {Noun(draws)}" : $"{owner} {draws.Pick(Lexicon.Adjectives)} {Noun(draws)}";
    }

    private static string Noun(Dice draws) => draws.Pick(Lexicon.Nouns);
}
