using Kvasir.Files;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>Reads a tokenizer from the tokenizer.ggml keys of a GGUF file; what they mean is settled by llama.cpp, who made them.</summary>
internal sealed class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";

    private readonly GgufMetadata _metadata;

    private readonly string _file;

    private readonly string[] _pieces;

    private readonly PieceType[] _types;

    private readonly Dictionary<string, int> _ids;

    private readonly int _repeatedCount;

    private GgufTokenizer(GgufMetadata metadata, string file)
    {
        (_metadata, _file) = (metadata, file);
        _pieces = metadata.Strings(Prefix + "tokens") ?? throw Bad("tokens", "is missing");
        _types = ReadTypes();
        _ids = new Dictionary<string, int>(_pieces.Length, StringComparer.Ordinal);
        for (var id = 0; id < _pieces.Length; id++)
            _repeatedCount += AddPiece(id) ? 0 : 1;
        if (_repeatedCount > 0)
            metadata.Notes.Add(Bad("tokens", $"has {_repeatedCount} pieces twice; text becomes the first of them").Message);
    }

    public static TokenizerModel Read(GgufMetadata metadata, string file)
    {
        var kind = metadata.String(Prefix + "model");
        var reader = kind switch
        {
            "gpt2" or "llama" or "gemma4" => new GgufTokenizer(metadata, file),
            null => throw new KvasirException(KvasirError.BadFile, $"{file}: key {Prefix}model is missing"),
            _ => throw new KvasirException(
                KvasirError.Unsupported,
                $"{file}: key {Prefix}model is {MessageText.Name(kind)}; supported are gpt2 (byte-level BPE), llama (SentencePiece BPE) and gemma4"),
        };
        return kind switch
        {
            "gpt2" => reader.ReadByteLevel(),
            "llama" => reader.ReadSentencePiece(),
            _ => reader.ReadGemma4(),
        };
    }

    // Merges by rank as byte-level ones, over characters as SentencePiece. A begin token comes first whatever the file says: early ones say that none does.
    private TokenizerModel ReadGemma4()
    {
        var model = WithSpecialTokens(addsBegin: true, new TokenizerModel
        {
            Kind = TokenizerKind.CharacterMerges,
            Pieces = _pieces,
            Types = _types,
            Merges = ReadMerges(),
            Normalizer = [new ReplaceStep(" ", SpaceMarks.Mark.ToString())],
            Pattern = WordPattern.Lines,
            KeepsLineBreaks = true,
            ByteFallback = true,
        });
        return model.BeginToken is { } begin ? model with { Prefix = [begin] } : model;
    }

    private TokenizerModel ReadByteLevel()
    {
        var name = _metadata.String(Prefix + "pre") ?? "";
        if (!WordPatternNames.TryGet(name, out var pattern))
            throw new KvasirException(KvasirError.Unsupported, $"{_file}: key {Prefix}pre is {MessageText.Name(name)}; supported are {WordPatternNames.List}");
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
        var scores = ReadScores();
        if (scores.Length != _pieces.Length)
            throw Bad("scores", $"has {scores.Length} entries; {Prefix}tokens has {_pieces.Length}");
        var addsSpace = _metadata.Notes.Advice(() => _metadata.Boolean(Prefix + "add_space_prefix"), null) ?? true;
        var mark = SpaceMarks.Mark.ToString();
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

    // All alike, the leftmost pair merges first. What compares with nothing would make the order of merges one of chance.
    private float[] ReadScores()
    {
        if (_metadata.Numbers(Prefix + "scores", takesNaN: true) is { Length: > 0 } scores)
        {
            var numberless = scores.Count(float.IsNaN);
            for (var id = 0; id < scores.Length; id++)
                scores[id] = float.IsNaN(scores[id]) ? float.NegativeInfinity : scores[id];
            if (numberless > 0)
                _metadata.Notes.Add(Bad("scores", $"holds NaN {numberless} times; those pieces count as the least good").Message);
            return scores;
        }

        _metadata.Notes.Add(Bad("scores", "is missing; all pieces count as equally good").Message);
        return new float[_pieces.Length];
    }

    private TokenizerModel WithSpecialTokens(bool addsBegin, TokenizerModel model)
    {
        var begin = ReadToken("bos_token_id") ?? (model.Kind == TokenizerKind.CharacterScores ? Existing(1) : null);
        var end = ReadToken("eos_token_id") ?? (model.Kind == TokenizerKind.CharacterScores ? Existing(2) : null);
        addsBegin = ReadAdds("add_bos_token", "bos_token_id", begin) ?? (addsBegin && begin is not null);
        return model with
        {
            AddedTokens = AddedTokens(),
            LongestAddedTokenFirst = true,
            UnknownToken = ReadToken("unknown_token_id") ?? (model.Kind == TokenizerKind.CharacterScores ? Existing(0) : null),
            BeginToken = begin,
            EndToken = end,
            Prefix = addsBegin ? [begin!.Value] : [],
            AddsEnd = ReadAdds("add_eos_token", "eos_token_id", end) ?? false,
            EndTokens = EndTokens(end),
            SuppressedTokens = SuppressedTokens(),
        };
    }

    // Whether to add a token that a text may do without: advice, as the token's own id.
    private bool? ReadAdds(string key, string idKey, int? id) => _metadata.Notes.Advice(
        () => _metadata.Boolean(Prefix + key) is true && id is null
            ? throw Bad(key, $"is true, but {Prefix}{idKey} names no token")
            : _metadata.Boolean(Prefix + key),
        null);

    // llama.cpp's own ids for a SentencePiece file that names none.
    private int? Existing(int id) => id < _pieces.Length ? id : null;

    private PieceType[] ReadTypes()
    {
        var types = new PieceType[_pieces.Length];
        Array.Fill(types, PieceType.Normal);
        if (_metadata.Integers(Prefix + "token_type") is not { Length: > 0 } numbers)
            return types;
        if (numbers.Length != types.Length)
            throw Bad("token_type", $"has {numbers.Length} entries; {Prefix}tokens has {types.Length}");
        for (var id = 0; id < types.Length; id++)
            types[id] = Enum.IsDefined((PieceType)numbers[id]) ? (PieceType)numbers[id] : PieceType.Unused;
        return types;
    }

    // False for a piece that was there before, as pieces are that differ only in bytes which are no text.
    private bool AddPiece(int id)
    {
        // An empty piece can be neither found nor written: it is a hole in the vocabulary.
        if (_pieces[id].Length == 0)
            _types[id] = PieceType.Unused;
        if (EndTokenNames.Contains(_pieces[id]))
            _types[id] = PieceType.Control;
        return _pieces[id].Length == 0 || _ids.TryAdd(_pieces[id], id);
    }

    private MergeRule[] ReadMerges()
    {
        var rules = new MergeRules(_ids);
        foreach (var text in _metadata.Strings(Prefix + "merges") ?? throw Bad("merges", "is missing"))
            rules.Add(text);
        return rules.Finish(_metadata.Notes, $"{_file}: key {Prefix}merges");
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

    // Advice, as the names of special tokens: an id that no token has is told and left out.
    private int[] SuppressedTokens()
    {
        var tokens = new SortedSet<int>();
        foreach (var token in _metadata.Notes.Advice(() => _metadata.Integers(Prefix + "suppress_tokens"), null) ?? [])
        {
            if ((uint)token < (uint)_pieces.Length)
                tokens.Add(token);
            else
                _metadata.Notes.Add(Bad("suppress_tokens", $"names {token}, which no token has; there are 0 to {_pieces.Length - 1}").Message);
        }

        return [.. tokens];
    }

    private int[] EndTokens(int? end)
    {
        var tokens = new SortedSet<int>([.. ReadTokens("eos_token_id"), .. ReadTokens("eot_token_id"), .. ReadTokens("eom_token_id")]);
        if (end is { } known)
            tokens.Add(known);
        for (var id = 0; id < _pieces.Length; id++)
        {
            if (EndTokenNames.Ends(_pieces[id], _ids.ContainsKey))
                tokens.Add(id);
        }
        return [.. tokens];
    }

    private int? ReadToken(string key) => ReadTokens(key) is [var first, ..] ? first : null;

    // An id or a list of them.
    private List<int> ReadTokens(string key)
    {
        var (notes, tokens) = (_metadata.Notes, new List<int>());
        foreach (var id in notes.Advice(() => Ids(Prefix + key), []))
        {
            if (notes.Advice(() => Checked(key, id), null) is { } known)
                tokens.Add(known);
        }
        return tokens;
    }

    private long[] Ids(string key) =>
        _metadata.IsArray(key) ? Array.ConvertAll(_metadata.Integers(key)!, static id => (long)id) : _metadata.Integer(key) is { } id ? [id] : [];

    // Tools write -1 for none, in 32 bits of either kind.
    private int? Checked(string key, long id) => id switch
    {
        -1 or uint.MaxValue => null,
        _ when id >= 0 && id < _pieces.Length && _pieces[id].Length > 0 => (int)id,
        _ => throw Bad(key, $"is {id}, which no token has; {Prefix}tokens has {_pieces.Length} entries"),
    };

    private KvasirException Bad(string key, string problem) => new(KvasirError.BadFile, $"{_file}: key {Prefix}{key} {problem}");
}
