using System.Text.Json;
using Kvasir.Files;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>Reads the normaliser, pre-tokenizer and decoder of a tokenizer.json into what Kvasir does itself, and refuses the rest by name.</summary>
internal static class TokenizerJsonSteps
{
    private const string MarkText = "\u2581";

    public static NormalizerStep[] ReadNormalizer(JsonPlace? normalizer)
    {
        var steps = new List<NormalizerStep>();
        foreach (var (type, place) in Flatten(normalizer, "normalizers"))
        {
            steps.Add(type switch
            {
                "NFC" => new ComposeStep(),
                "Prepend" => new PrependStep(place.Get("prepend").Text()),
                "Replace" => new ReplaceStep(Literal(place), place.Get("content").Text()),
                _ => throw place.Get("type").Unsupported($"is {MessageText.Name(type)}; supported are NFC, Prepend, Replace, Sequence"),
            });
        }
        return [.. steps];
    }

    public static WordRules ReadPreTokenizer(JsonPlace? preTokenizer)
    {
        if (preTokenizer is { } whole && Flatten(preTokenizer, "pretokenizers").Any(static step => step.Type == "Punctuation"))
            return FalconSteps.Read(whole);
        var rules = new WordRules(WordPattern.Whole, IsByteLevel: false, SpaceMark: null, SpacePrefix.None);
        if (preTokenizer is { } cut && DeepSeekSteps.TryRead(cut, out var rest))
            return ReadByteLevel(rest, rules with { Pattern = WordPattern.DeepSeek3 });
        var digitsAlone = false;
        foreach (var (type, place) in Flatten(preTokenizer, "pretokenizers"))
        {
            rules = type switch
            {
                "Split" => rules with { Pattern = ReadSplit(place, rules.Pattern) },
                "ByteLevel" => ReadByteLevel(place, rules),
                "Metaspace" => ReadMetaspace(place),
                "Digits" => rules,
                _ => throw place.Get("type").Unsupported(
                    $"is {MessageText.Name(type)}; supported are ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split"),
            };
            if (type == "Digits")
                digitsAlone = ReadDigits(place, rules);
        }
        if (!digitsAlone)
            return rules;
        if (rules.Pattern != WordPattern.Gpt2)
            throw preTokenizer!.Value.Unsupported("has Digits; they are supported only before ByteLevel with its own expression");
        return rules with { Pattern = WordPattern.SmolLm };
    }

    /// <summary>Whether the decoder takes away the space that the encoder put in front.</summary>
    public static bool DropsLeadingSpace(JsonPlace? decoder)
    {
        var drops = false;
        foreach (var (type, place) in Flatten(decoder, "decoders"))
        {
            drops |= type switch
            {
                "Strip" => ReadStrip(place),
                "Metaspace" => place.Find("prepend_scheme")?.Text() != "never",
                "ByteLevel" or "ByteFallback" or "Fuse" => false,
                "Replace" when Literal(place) == MarkText && place.Get("content").Text() == " " => false,
                _ => throw place.Get("type").Unsupported(
                    $"is {MessageText.Name(type)}; supported are ByteFallback, ByteLevel, Fuse, Metaspace, Replace of U+2581 by a blank, Sequence, Strip"),
            };
        }
        return drops;
    }

    // A Sequence has its parts, anything else is its own only part. Sequences do not nest in practice, and so need not here.
    private static IEnumerable<(string Type, JsonPlace Place)> Flatten(JsonPlace? place, string partsKey)
    {
        if (place is not { } root)
            yield break;
        var type = root.Get("type").Text();
        if (type != "Sequence")
        {
            yield return (type, root);
            yield break;
        }
        foreach (var part in root.Get(partsKey).Items())
            yield return (part.Get("type").Text(), part);
    }

    private static WordPattern ReadSplit(JsonPlace place, WordPattern before)
    {
        var pattern = place.Get("pattern");
        var behavior = place.Get("behavior").Text();
        // Gemma: spaces are already marks when this runs, so that it never splits.
        if (pattern.Find("String") is { } text && text.Text() == " ")
            return before;
        var expression = pattern.Get("Regex");
        if (!SplitExpressions.TryGet(expression.Text(), out var known))
        {
            throw expression.Unsupported(
                "is not among the supported expressions (llama3, qwen2, gpt-2, tekken, gpt-4o, seed, and the three of deepseek-v3 in a row): "
                    + MessageText.Line(expression.Text()));
        }

        var inverted = place.Flag("invert");
        if ((behavior, inverted) is not (("Isolated", false) or ("Removed", true)))
            throw place.Unsupported($"has behavior {MessageText.Name(behavior)} with invert {inverted}; supported are Isolated without and Removed with it");
        return before == WordPattern.Whole ? known : throw place.Unsupported("is a second expression; one is supported");
    }

    private static WordRules ReadByteLevel(JsonPlace place, WordRules rules)
    {
        if (place.Flag("add_prefix_space", otherwise: true))
            throw place.Unsupported("has add_prefix_space; supported is false");
        if (!place.Flag("use_regex", otherwise: true))
            return rules with { IsByteLevel = true };
        if (rules.Pattern != WordPattern.Whole)
            throw place.Unsupported("has use_regex after another expression; one is supported");
        return rules with { IsByteLevel = true, Pattern = WordPattern.Gpt2 };
    }

    private static WordRules ReadMetaspace(JsonPlace place)
    {
        var mark = place.Find("replacement")?.Text() ?? MarkText;
        if (mark != MarkText)
            throw place.Get("replacement").Unsupported($"is {MessageText.Name(mark)}; supported is U+2581");
        var scheme = place.Find("prepend_scheme")?.Text() ?? (place.Flag("add_prefix_space", otherwise: true) ? "always" : "never");
        var prefix = scheme switch
        {
            "always" => SpacePrefix.Always,
            "first" => SpacePrefix.First,
            "never" => SpacePrefix.None,
            _ => throw place.Get("prepend_scheme").Unsupported($"is {MessageText.Name(scheme)}; supported are always, first, never"),
        };
        var pattern = place.Flag("split", otherwise: true) ? WordPattern.EachSpaceMark : WordPattern.Whole;
        return new WordRules(pattern, IsByteLevel: false, mark, prefix);
    }

    private static bool ReadDigits(JsonPlace place, WordRules before)
    {
        if (!place.Flag("individual_digits") || before.Pattern != WordPattern.Whole)
            throw place.Unsupported("is supported with individual_digits and as the first step");
        return true;
    }

    private static bool ReadStrip(JsonPlace place)
    {
        var (content, start, stop) = (place.Get("content").Text(), place.Get("start").Integer(), place.Get("stop").Integer());
        if (content != " " || start is not (0 or 1) || stop != 0)
            throw place.Unsupported($"takes {start} and {stop} times {MessageText.Name(content)}; supported is one blank at the start");
        return start == 1;
    }

    private static string Literal(JsonPlace place)
    {
        var pattern = place.Get("pattern");
        var text = pattern.Kind == JsonValueKind.String
            ? pattern
            : pattern.Find("String") ?? throw pattern.Unsupported("is an expression; supported is a literal String");
        return text.Text().Length > 0 ? text.Text() : throw text.Bad("is empty");
    }
}

/// <summary>How tokenizer.json has words cut.</summary>
internal readonly record struct WordRules(WordPattern Pattern, bool IsByteLevel, string? SpaceMark, SpacePrefix Prefix);
