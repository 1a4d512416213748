namespace Kvasir.Text.Words;

/// <summary>
/// Recognises the regular expressions of tokenizer.json by which words are cut. Expressions are compared after known ways of
/// writing the same thing are made one; any other expression is unknown, since .NET's would be wrong beyond the BMP.
/// </summary>
internal static class SplitExpressions
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

    private const string Llama3Tail = @" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string LowerEnding = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+";

    private const string UpperBeginning = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*";

    private const string TekkenTail = @" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly Dictionary<string, WordPattern> Known = new(StringComparer.Ordinal)
    {
        [Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + Llama3Tail] = WordPattern.Llama3,
        [Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + Llama3Tail] = WordPattern.Qwen2,
        [@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"] = WordPattern.Gpt2,
        [$@"{LowerEnding}|{UpperBeginning}|\p{{N}}|{TekkenTail}"] = WordPattern.Tekken,
        [$@"{LowerEnding}{Contractions}?|{UpperBeginning}{Contractions}?|\p{{N}}{{1,3}}|{TekkenTail}"] = WordPattern.Gpt4o,
        [Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"] = WordPattern.Seed,
    };

    // Each pair matches the same texts wherever it stands in the expressions above. Possessive quantifiers: what follows them
    // there can never begin with what they hold. \s*[\r\n]: the star takes the earlier line breaks either way.
    private static readonly (string Written, string Same)[] Spellings =
    [
        ("?+", "?"),
        ("++", "+"),
        ("*+", "*"),
        ("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", Contractions),
        ("'(?i:[sdmt]|ll|ve|re)", Contractions),
        ("(?i:'(?:[sdmt]|ll|ve|re))", Contractions),
        ("'(?:[sdmt]|ll|ve|re)", "'s|'t|'re|'ve|'m|'ll|'d"),
        (@"\s*[\r\n]|", @"\s*[\r\n]+|"),
        (@"\p{N}{1}|", @"\p{N}|"),
    ];

    /// <summary>The pattern that <paramref name="expression"/> stands for.</summary>
    public static bool TryGet(string expression, out WordPattern pattern)
    {
        foreach (var (written, same) in Spellings)
            expression = expression.Replace(written, same, StringComparison.Ordinal);
        return Known.TryGetValue(expression, out pattern);
    }
}
