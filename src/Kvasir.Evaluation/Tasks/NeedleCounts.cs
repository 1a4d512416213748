using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>
/// Tasks of the needle model that ask how often words come. Training draws every word; here the numbers are what such draws come to on average, so
/// that the answer is never a matter of chance.
/// </summary>
internal static class NeedleCounts
{
    /// <summary>Three words come often, each less than the one before it, and many come seldom.</summary>
    public static NeedleText Often(Dice dice, NeedleVocabulary vocabulary, int count)
    {
        const int often = 3;
        var share = 0.35 + 0.25 * dice.Uniform();
        var pool = dice.Draw(vocabulary.Names, Math.Min(vocabulary.Names.Length, often + Math.Max(6, count / 6)));
        var seldom = pool.Length - often;
        double[] weights = [.. Enumerable.Range(0, often).Select(i => Math.Pow(1.6, -i))];
        int[] times = [.. weights.Select((weight, i) => Math.Max(often + 2 - i, (int)Math.Round(share * count * weight / weights.Sum())))];
        var rest = Math.Max(0, count - times.Sum());
        // The most that a seldom word comes, and then each of the others more often than the next.
        var below = (rest + seldom - 1) / seldom;
        for (var i = often - 1; i >= 0; i--)
            below = times[i] = Math.Max(times[i], below + 1);
        rest = Math.Max(0, count - times.Sum());
        var words = Repeated(dice, [.. pool.Select((name, i) => (name, i < often ? times[i] : rest / seldom + (i - often < rest % seldom ? 1 : 0)))]);
        return new NeedleText(words, "question : most common words are", pool[..often]);
    }

    /// <summary>Six to thirty words, whose numbers fall with a power of their rank.</summary>
    public static NeedleText MostFrequent(Dice dice, NeedleVocabulary vocabulary, int count)
    {
        var pool = dice.Draw(vocabulary.Names, dice.Between(6, 30));
        var power = 1.3 + 0.9 * dice.Uniform();
        double[] weights = [.. pool.Select((_, i) => Math.Pow(i + 1, -power))];
        var words = Repeated(dice, [.. pool.Select((name, i) => (name, (int)Math.Round(count * weights[i] / weights.Sum())))]);
        return new NeedleText(words, "question : most frequent words are", [pool[0]]);
    }

    private static string[] Repeated(Dice dice, (string Name, int Times)[] counts)
    {
        string[] words = [.. counts.SelectMany(count => Enumerable.Repeat(count.Name, count.Times))];
        dice.Shuffle<string>(words);
        return words;
    }
}
