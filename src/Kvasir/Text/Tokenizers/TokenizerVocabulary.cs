using Kvasir.Files;

namespace Kvasir.Text.Tokenizers;

/// <summary>The pieces of a tokenizer.json: those of its model, and the added tokens, which may be among them or follow them.</summary>
internal sealed class TokenizerVocabulary
{
    // Added tokens often leave a gap behind the vocabulary; this much of one is harmless.
    private const int MaxUnusedIds = 1 << 16;

    public TokenizerVocabulary(JsonPlace vocabulary, JsonPlace? addedTokens)
    {
        Ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var owners = new Dictionary<int, string>();
        foreach (var (piece, place) in vocabulary.Entries())
            Add(piece, place, owners);
        Added = ReadAdded(addedTokens, owners);

        Pieces = new string[owners.Count == 0 ? 0 : owners.Keys.Max() + 1];
        if (Pieces.Length > owners.Count + MaxUnusedIds)
            throw vocabulary.Bad(
                $"and the added tokens go up to id {Pieces.Length - 1} with only {owners.Count} pieces; {MaxUnusedIds} unused ids are allowed");
        Array.Fill(Pieces, "");
        foreach (var (id, piece) in owners)
            Pieces[id] = piece;
    }

    /// <summary>Pieces by id; empty where an id is not used.</summary>
    public string[] Pieces { get; }

    public Dictionary<string, int> Ids { get; }

    public AddedToken[] Added { get; }

    /// <summary>Types by id. Pieces such as &lt;0x0A&gt; are bytes only in a model that falls back to bytes.</summary>
    public PieceType[] Types(bool byteFallback)
    {
        var types = new PieceType[Pieces.Length];
        for (var id = 0; id < types.Length; id++)
        {
            var isByte = byteFallback && ByteTokens.TryParse(Pieces[id], out _);
            types[id] = Pieces[id].Length == 0 ? PieceType.Unused : isByte ? PieceType.Byte : PieceType.Normal;
        }
        foreach (var token in Added)
            types[token.Id] = token.Special ? PieceType.Control : types[token.Id] == PieceType.Byte ? PieceType.Byte : PieceType.UserDefined;
        return types;
    }

    private void Add(string piece, JsonPlace place, Dictionary<int, string> owners)
    {
        var id = place.Integer();
        if (id < 0)
            throw place.Bad($"is {id}; ids begin at 0");
        if (!owners.TryAdd(id, piece))
            throw place.Bad($"is {id}, which is also the id of {MessageText.Name(owners[id])}");
        if (!Ids.TryAdd(piece, id))
            throw place.Bad($"is there twice, as {Ids[piece]} and as {id}");
    }

    private AddedToken[] ReadAdded(JsonPlace? places, Dictionary<int, string> owners)
    {
        if (places is not { } list)
            return [];
        var added = new List<AddedToken>();
        var seen = new HashSet<int>();
        foreach (var place in list.Items())
        {
            var content = place.Get("content").Text();
            var id = place.Get("id").Integer();
            if (!Ids.TryGetValue(content, out var known))
                Add(content, place.Get("id"), owners);
            else if (known != id || !seen.Add(id))
                throw place.Get("id").Bad($"is {id}; {MessageText.Name(content)} is already id {known}");
            seen.Add(id);
            added.Add(ReadToken(place, id, content));
        }
        return [.. added];
    }

    private static AddedToken ReadToken(JsonPlace place, int id, string content)
    {
        var special = place.Flag("special");
        return new AddedToken(id, content)
        {
            Special = special,
            StripsLeft = place.Flag("lstrip"),
            StripsRight = place.Flag("rstrip"),
            SingleWord = place.Flag("single_word"),
            Normalized = place.Flag("normalized", otherwise: !special),
        };
    }
}
