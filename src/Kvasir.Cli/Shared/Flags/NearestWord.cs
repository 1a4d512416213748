namespace Kvasir.Cli.Shared.Flags;

/// <summary>The word that was meant where another was typed.</summary>
internal static class NearestWord
{
    // Of a word's letters a third may be wrong; of short words one.
    private const int LettersPerMistake = 3;

    /// <summary>The nearest of <paramref name="words"/>, the first of several; null where none is near. Case and leading dashes are no difference.</summary>
    public static string? Of(string typed, IEnumerable<string> words)
    {
        var letters = Letters(typed);
        var most = Math.Max(1, letters.Length / LettersPerMistake);
        return words.Select(word => (word, distance: Distance(letters, Letters(word))))
            .Where(candidate => candidate.distance <= most && candidate.distance < letters.Length)
            .OrderBy(static candidate => candidate.distance)
            .FirstOrDefault().word;
    }

    private static string Letters(string word) => word.TrimStart('-').ToLowerInvariant();

    // Letters that are missing, too many or wrong, or have changed places with their neighbour; a beginning of two letters or more stands for its word.
    private static int Distance(string typed, string word)
    {
        if (typed.Length > 1 && word.StartsWith(typed, StringComparison.Ordinal))
            return word.Length > typed.Length ? 1 : 0;
        // Typed words are short: a line longer than any name is near to none.
        if (Math.Abs(typed.Length - word.Length) > Math.Max(typed.Length, word.Length) / 2)
            return int.MaxValue;
        var (before, last, next) = (new int[word.Length + 1], new int[word.Length + 1], new int[word.Length + 1]);
        for (var j = 0; j <= word.Length; j++)
            last[j] = j;
        for (var i = 1; i <= typed.Length; i++)
        {
            next[0] = i;
            for (var j = 1; j <= word.Length; j++)
            {
                next[j] = Math.Min(Math.Min(last[j], next[j - 1]) + 1, last[j - 1] + (typed[i - 1] == word[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && typed[i - 1] == word[j - 2] && typed[i - 2] == word[j - 1])
                    next[j] = Math.Min(next[j], before[j - 2] + 1);
            }

            (before, last, next) = (last, next, before);
        }

        return last[word.Length];
    }
}
