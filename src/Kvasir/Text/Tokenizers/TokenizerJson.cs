using System.Text.Json;
using Kvasir.Files;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>
/// Reads a tokenizer from a Hugging Face folder: tokenizer.json, and from the files beside it which tokens begin and end a text.
/// </summary>
internal sealed class TokenizerJson
{
    private readonly JsonPlace _root;

    private readonly JsonPlace _model;

    private readonly TokenizerVocabulary _vocabulary;

    private readonly Notes _notes;

    private TokenizerJson(JsonPlace root, Notes notes)
    {
        (_root, _notes) = (root, notes);
        _model = root.Get("model");
        RequireBpe();
        _vocabulary = new TokenizerVocabulary(_model.Get("vocab"), root.Find("added_tokens"));
    }

    public static TokenizerModel Read(string folder, Notes notes)
    {
        var reader = new TokenizerJson(JsonPlace.Load(Path.Combine(folder, "tokenizer.json"), notes), notes);
        var specials = new SpecialTokenFiles(folder, reader._vocabulary, notes);
        return reader.Read(specials);
    }

    private TokenizerModel Read(SpecialTokenFiles specials)
    {
        var steps = TokenizerJsonSteps.ReadNormalizer(_root.Find("normalizer"));
        var words = TokenizerJsonSteps.ReadPreTokenizer(_root.Find("pre_tokenizer"));
        var kind = words.IsByteLevel ? TokenizerKind.ByteLevel : TokenizerKind.CharacterMerges;
        var byteFallback = _model.Flag("byte_fallback");
        var types = _vocabulary.Types(byteFallback);
        var (prefix, suffix) = ReadTemplate(_root.Find("post_processor"));
        if (prefix.Length == 0 && suffix.Length == 0 && specials.AddsBegin && specials.Begin is { } begin)
            prefix = [begin];
        return new TokenizerModel
        {
            Kind = kind,
            Pieces = _vocabulary.Pieces,
            Types = types,
            Merges = ReadMerges(),
            AddedTokens = _vocabulary.Added,
            Pattern = words.Pattern == WordPattern.Whole && kind == TokenizerKind.CharacterMerges ? SpaceMarks.CutFor(_vocabulary.Pieces) : words.Pattern,
            Normalizer = steps,
            SpaceMark = words.SpaceMark,
            SpacePrefix = words.Prefix,
            IgnoreMerges = _model.Flag("ignore_merges"),
            ByteFallback = byteFallback,
            FuseUnknown = _model.Flag("fuse_unk"),
            UnknownToken = ReadUnknown(),
            BeginToken = specials.Begin ?? (prefix.Length > 0 ? prefix[0] : null),
            EndToken = specials.End,
            Prefix = prefix,
            AddsEnd = suffix.Length > 0,
            EndTokens = specials.EndTokens,
            SuppressedTokens = specials.SuppressedTokens,
            DropsLeadingSpace = TokenizerJsonSteps.DropsLeadingSpace(_root.Find("decoder")),
        };
    }

    private void RequireBpe()
    {
        if (_model.Find("type") is { } type && type.Text() != "BPE")
            throw type.Unsupported($"is {MessageText.Name(type.Text())}; supported is BPE");
        foreach (var key in (ReadOnlySpan<string>)["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (_model.Find(key) is { } value && value.Text().Length > 0)
                throw value.Unsupported($"is {MessageText.Name(value.Text())}; supported is none");
        }
    }

    private MergeRule[] ReadMerges()
    {
        var merges = _model.Get("merges");
        var rules = new MergeRules(_vocabulary.Ids);
        foreach (var merge in merges.Items())
        {
            if (merge.Kind == JsonValueKind.String)
                rules.Add(merge.Text());
            else if (merge.Items().ToArray() is [var left, var right])
                rules.Add(left.Text(), right.Text());
            else
                throw merge.Bad($"has {merge.Count} entries; 2 were expected");
        }
        return rules.Finish(_notes, merges.Place);
    }

    private int? ReadUnknown() => _model.Find("unk_token") is { } unknown ? _notes.Advice(() => IdOf(unknown), null) : null;

    private int? IdOf(JsonPlace name) =>
        _vocabulary.Ids.TryGetValue(name.Text(), out var id) ? id : throw name.Bad($"is {MessageText.Name(name.Text())}, which is not in the vocabulary");

    // [ids before the text, ids after it] of a TemplateProcessing, which may stand in a Sequence beside ByteLevel.
    private (int[] Prefix, int[] Suffix) ReadTemplate(JsonPlace? processor)
    {
        if (processor is not { } place)
            return ([], []);
        var type = place.Get("type").Text();
        if (type == "ByteLevel")
            return ([], []);
        if (type == "TemplateProcessing")
            return ReadTemplateItems(place.Get("single"));
        if (type != "Sequence")
            throw place.Get("type").Unsupported($"is {MessageText.Name(type)}; supported are ByteLevel, Sequence, TemplateProcessing");

        (int[] Prefix, int[] Suffix) found = ([], []);
        foreach (var part in place.Get("processors").Items())
        {
            if (part.Get("type").Text() == "Sequence")
                throw part.Unsupported("is a Sequence within a Sequence");
            if (ReadTemplate(part) is var (prefix, suffix) && prefix.Length + suffix.Length > 0)
                found = (prefix, suffix);
        }
        return found;
    }

    private (int[] Prefix, int[] Suffix) ReadTemplateItems(JsonPlace items)
    {
        List<int> prefix = [], suffix = [];
        var seen = false;
        foreach (var item in items.Items())
        {
            if (item.Find("SpecialToken") is not { } special)
            {
                seen |= item.Find("Sequence") is not null;
                continue;
            }
            if (_notes.Advice(() => IdOf(special.Get("id")), null) is { } id)
                (seen ? suffix : prefix).Add(id);
        }
        return ([.. prefix], [.. suffix]);
    }
}
