namespace Kvasir.Text;

/// <summary>The tokens by which a model that was trained for it fills a gap: what stands before, what stands behind, and then what belongs between.</summary>
/// <param name="Prefix">In front of what stands before the gap.</param>
/// <param name="Suffix">In front of what stands behind it.</param>
/// <param name="Middle">The answer follows it.</param>
public sealed record FillTokens(int Prefix, int Suffix, int Middle)
{
    // As models' makers spell them, in the order in which they are asked for.
    private static readonly (string Prefix, string Suffix, string Middle)[] Names =
    [
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        ("<\uFF5Cfim\u2581begin\uFF5C>", "<\uFF5Cfim\u2581hole\uFF5C>", "<\uFF5Cfim\u2581end\uFF5C>"),
        ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
        ("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"),
        ("<PRE>", "<SUF>", "<MID>"),
    ];

    /// <summary>Those of a vocabulary; null where it has none, or not all three.</summary>
    public static FillTokens? Of(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        foreach (var (prefix, suffix, middle) in Names)
        {
            if (tokenizer.Find(prefix) is { } before && tokenizer.Find(suffix) is { } behind && tokenizer.Find(middle) is { } between)
                return new FillTokens(before, behind, between);
        }

        return null;
    }

    /// <summary>A prompt behind which the model writes what belongs between two texts. Control tokens that they spell are text, as code may well.</summary>
    /// <param name="tokenizer">Of the same model.</param>
    public int[] Encode(Tokenizer tokenizer, string before, string behind)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(behind);
        var tokens = new List<int>();
        tokenizer.Encode("", addBegin: true, parseSpecial: false, tokens);
        tokens.Add(Prefix);
        tokenizer.Encode(before, addBegin: false, parseSpecial: false, tokens);
        tokens.Add(Suffix);
        tokenizer.Encode(behind, addBegin: false, parseSpecial: false, tokens);
        tokens.Add(Middle);
        return [.. tokens];
    }
}
