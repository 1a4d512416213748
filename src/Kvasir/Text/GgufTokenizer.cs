using Kvasir.Models;

namespace Kvasir.Text;

/// <summary>Reads a tokenizer from the tokenizer.ggml keys of a GGUF file; what they mean is settled by llama.cpp, who made them.</summary>
internal sealed class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";

    private readonly GgufMetadata _metadata;

    private readonly string _file;

    private readonly string[] _pieces;

    private readonly PieceType[] _types;

    private readonly Dictionary<string, int> _ids;

    private GgufTokenizer(GgufMetadata metadata, string file)
    {
        (_metadata, _file) = (metadata, file);
        _pieces = metadata.Strings(Prefix + "tokens") ?? throw Bad("tokens", "is missing");
        _types = ReadTypes();
        _ids = new Dictionary<string, int>(_pieces.Length, StringComparer.Ordinal);
        for (var id = 0; id < _pieces.Length; id++)
            AddPiece(id);
    }

    public static TokenizerModel Read(GgufMetadata metadata, string file)
    {
        var kind = metadata.String(Prefix + "model");
        var reader = kind switch
        {
            "gpt2" or "llama" => new GgufTokenizer(metadata, file),
            null => throw new KvasirException(KvasirError.BadFile, $"{file}: key {Prefix}model is missing"),
            _ => throw new KvasirException(KvasirError.Unsupported, $"{file}: key {Prefix}model is {Shown.Name(kind)}; supported are gpt2 (byte-level BPE) and llama (SentencePiece BPE)"),
        };
        return kind == "gpt2" ? reader.ReadByteLevel() : reader.ReadSentencePiece();
    }

    private TokenizerModel ReadByteLevel()
    {
        var name = _metadata.String(Prefix + "pre") ?? "";
        if (!WordPatternNames.TryGet(name, out var pattern))
            throw new KvasirException(KvasirError.Unsupported, $"{_file}: key {Prefix}pre is {Shown.Name(name)}; supported are {WordPatternNames.List}");
        return WithSpecialTokens(pattern.AddsBegin, new TokenizerModel
        {
            Kind = TokenizerKind.ByteLevel,
            Pieces = _pieces,
            Types = _types,
            Merges = ReadMerges(),
            Pattern = pattern.Pattern,
            IgnoreMerges = pattern.IgnoreMerges,
        });
    }

    private TokenizerModel ReadSentencePiece()
    {
        var scores = _metadata.Numbers(Prefix + "scores") ?? throw Bad("scores", "is missing");
        if (scores.Length != _pieces.Length)
            throw Bad("scores", $"has {scores.Length} entries; {Prefix}tokens has {_pieces.Length}");
        var addsSpace = _metadata.Boolean(Prefix + "add_space_prefix") ?? true;
        var mark = PieceOutput.SpaceMark.ToString();
        NormalizerStep[] steps = [new ReplaceStep(" ", mark)];
        return WithSpecialTokens(addsBegin: true, new TokenizerModel
        {
            Kind = TokenizerKind.CharacterScores,
            Pieces = _pieces,
            Types = _types,
            Scores = scores,
            Normalizer = addsSpace ? [new PrependStep(mark), .. steps] : steps,
            Pattern = SpaceMarks.CutFor(_pieces),
            ByteFallback = true,
            DropsLeadingSpace = addsSpace,
        });
    }

    private TokenizerModel WithSpecialTokens(bool addsBegin, TokenizerModel model)
    {
        var begin = ReadToken("bos_token_id") ?? (model.Kind == TokenizerKind.CharacterScores ? Existing(1) : null);
        var end = ReadToken("eos_token_id") ?? (model.Kind == TokenizerKind.CharacterScores ? Existing(2) : null);
        addsBegin = _metadata.Boolean(Prefix + "add_bos_token") ?? (addsBegin && begin is not null);
        var addsEnd = _metadata.Boolean(Prefix + "add_eos_token") ?? false;
        if (addsBegin && begin is null)
            throw Bad("add_bos_token", $"is true, but {Prefix}bos_token_id is missing");
        if (addsEnd && end is null)
            throw Bad("add_eos_token", $"is true, but {Prefix}eos_token_id is missing");
        return model with
        {
            AddedTokens = AddedTokens(),
            LongestAddedTokenFirst = true,
            UnknownToken = ReadToken("unknown_token_id") ?? (model.Kind == TokenizerKind.CharacterScores ? Existing(0) : null),
            BeginToken = begin,
            EndToken = end,
            Prefix = addsBegin ? [begin!.Value] : [],
            AddsEnd = addsEnd,
            EndTokens = EndTokens(end),
        };
    }

    // llama.cpp's own ids for a SentencePiece file that names none.
    private int? Existing(int id) => id < _pieces.Length ? id : null;

    private PieceType[] ReadTypes()
    {
        var types = new PieceType[_pieces.Length];
        Array.Fill(types, PieceType.Normal);
        if (_metadata.Integers(Prefix + "token_type") is not { } numbers)
            return types;
        if (numbers.Length != types.Length)
            throw Bad("token_type", $"has {numbers.Length} entries; {Prefix}tokens has {types.Length}");
        for (var id = 0; id < types.Length; id++)
            types[id] = Enum.IsDefined((PieceType)numbers[id]) ? (PieceType)numbers[id] : PieceType.Unused;
        return types;
    }

    private void AddPiece(int id)
    {
        // An empty piece can be neither found nor written: it is a hole in the vocabulary.
        if (_pieces[id].Length == 0)
            _types[id] = PieceType.Unused;
        else if (!_ids.TryAdd(_pieces[id], id))
            throw Bad("tokens", $"has {Shown.Name(_pieces[id])} at both {_ids[_pieces[id]]} and {id}");
        if (EndTokenNames.Contains(_pieces[id]))
            _types[id] = PieceType.Control;
    }

    private MergeRule[] ReadMerges()
    {
        var texts = _metadata.Strings(Prefix + "merges") ?? throw Bad("merges", "is missing");
        var rules = new MergeRule[texts.Length];
        var reader = new MergeRules(_ids);
        for (var i = 0; i < texts.Length; i++)
        {
            if (reader.TryRead(texts[i], out rules[i]) is { } problem)
                throw Bad("merges", $"{problem}: {Shown.Name(texts[i])} at index {i}");
        }
        return rules;
    }

    private AddedToken[] AddedTokens()
    {
        var tokens = new List<AddedToken>();
        for (var id = 0; id < _pieces.Length; id++)
        {
            if (_types[id] is PieceType.Control or PieceType.UserDefined or PieceType.Unknown)
                tokens.Add(new AddedToken(id, _pieces[id]) { Special = _types[id] != PieceType.UserDefined });
        }
        return [.. tokens];
    }

    private int[] EndTokens(int? end)
    {
        var tokens = new SortedSet<int>();
        foreach (var token in new[] { end, ReadToken("eot_token_id"), ReadToken("eom_token_id") })
        {
            if (token is { } known)
                tokens.Add(known);
        }
        for (var id = 0; id < _pieces.Length; id++)
        {
            if (EndTokenNames.Contains(_pieces[id]))
                tokens.Add(id);
        }
        return [.. tokens];
    }

    private int? ReadToken(string key) => _metadata.Integer(Prefix + key) switch
    {
        null => null,
        { } id when id >= 0 && id < _pieces.Length => (int)id,
        { } id => throw Bad(key, $"is {id}; {Prefix}tokens has {_pieces.Length} entries"),
    };

    private KvasirException Bad(string key, string problem) => new(KvasirError.BadFile, $"{_file}: key {Prefix}{key} {problem}");
}
