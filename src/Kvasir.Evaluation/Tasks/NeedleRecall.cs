using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>Tasks of the needle model that ask for a number.</summary>
internal static class NeedleRecall
{
    // "key NAME 12 ."
    private const int NeedleWords = 4;

    /// <summary>Up to four needles in idle words.</summary>
    public static NeedleText One(Dice dice, NeedleVocabulary vocabulary, int count)
    {
        var names = dice.Draw(vocabulary.Names, dice.Between(1, 4));
        string[] numbers = [.. names.Select((_, i) => NeedleVocabulary.Number(dice.Part(i)))];
        var asked = dice.Below(names.Length);
        var words = NeedleVocabulary.Scattered(dice, [.. names.Select((name, i) => Needle(name, numbers[i]))], count);
        return new NeedleText(words, $"question : key {names[asked]}", [numbers[asked]]);
    }

    /// <summary>Needles and nothing else, until there are no more names; idle words then go between them.</summary>
    public static NeedleText OneOfMany(Dice dice, NeedleVocabulary vocabulary, int count)
    {
        var needles = Math.Min(vocabulary.Names.Length, count / NeedleWords);
        var names = dice.Draw(vocabulary.Names, needles);
        string[] numbers = [.. names.Select((_, i) => NeedleVocabulary.Number(dice.Part(i)))];
        var asked = dice.Below(needles);
        var idle = needles < vocabulary.Names.Length ? 0 : count - needles * NeedleWords;
        var words = NeedleVocabulary.Scattered(dice, [.. names.Select((name, i) => Needle(name, numbers[i]))], needles * NeedleWords + idle);
        return new NeedleText(words, $"question : key {names[asked]}", [numbers[asked]]);
    }

    /// <summary>
    /// Up to three variables with numbers, each handed on once or twice. The last one it was handed to is asked for, and the answer follows it back.
    /// </summary>
    public static NeedleText Variable(Dice dice, NeedleVocabulary vocabulary, int count)
    {
        var (chains, hops) = (dice.Between(1, 3), dice.Between(1, 2));
        var names = dice.Draw(vocabulary.Names, chains * (hops + 1)).Chunk(hops + 1).ToArray();
        string[] numbers = [.. names.Select((_, i) => NeedleVocabulary.Number(dice.Part(i)))];
        var open = names.Select((own, i) => new Queue<string[]>(own.Select((name, hop) => Assignment(name, hop == 0 ? numbers[i] : own[hop - 1])))).ToList();
        var chunks = new List<string[]>();
        while (open.Count > 0)
        {
            var chain = dice.Pick(open);
            chunks.Add(chain.Dequeue());
            open.RemoveAll(left => left.Count == 0);
        }

        var asked = dice.Below(chains);
        return new NeedleText(
            NeedleVocabulary.Scattered(dice, chunks, count), $"question : VAR {names[asked][^1]}", [.. names[asked][..^1].Reverse(), numbers[asked]]);
    }

    private static string[] Needle(string name, string number) => ["key", name, number, "."];

    private static string[] Assignment(string name, string value) => ["VAR", name, value, "."];
}
