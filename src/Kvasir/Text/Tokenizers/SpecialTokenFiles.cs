using System.Text.Json;
using Kvasir.Files;

namespace Kvasir.Text.Tokenizers;

/// <summary>What the files beside tokenizer.json say about the tokens that begin and end a text: advice, all of it. All of them may be missing.</summary>
internal sealed class SpecialTokenFiles
{
    private readonly TokenizerVocabulary _vocabulary;
    private readonly Notes _notes;

    public SpecialTokenFiles(string folder, TokenizerVocabulary vocabulary, Notes notes)
    {
        (_vocabulary, _notes) = (vocabulary, notes);
        var tokenizer = notes.Advice(() => JsonPlace.LoadIfThere(Path.Combine(folder, "tokenizer_config.json"), notes), null);
        // It holds the sizes: it is sound, or refused.
        var config = JsonPlace.LoadIfThere(Path.Combine(folder, "config.json"), notes);
        var map = notes.Advice(() => JsonPlace.LoadIfThere(Path.Combine(folder, "special_tokens_map.json"), notes), null);
        var generation = notes.Advice(() => JsonPlace.LoadIfThere(Path.Combine(folder, "generation_config.json"), notes), null);

        var (configBegins, configEnds) = (Ids(config, "bos_token_id"), Ids(config, "eos_token_id"));
        var ends = new SortedSet<int>([.. configEnds, .. Ids(generation, "eos_token_id"), .. NamedEnds()]);
        Begin = Named(tokenizer, "bos_token") ?? Named(map, "bos_token") ?? FirstOrNull(configBegins);
        End = Named(tokenizer, "eos_token") ?? Named(map, "eos_token") ?? FirstOrNull(configEnds);
        if (End is { } end)
            ends.Add(end);
        EndTokens = [.. ends];
        SuppressedTokens = [.. new SortedSet<int>(Ids(generation, "suppress_tokens"))];
        AddsBegin = notes.Advice(() => tokenizer?.Flag("add_bos_token"), null) ?? false;
    }

    public int? Begin { get; }

    public int? End { get; }

    /// <summary>All ids that end a generation, ascending.</summary>
    public int[] EndTokens { get; }

    /// <summary>All ids that are never drawn, ascending.</summary>
    public int[] SuppressedTokens { get; }

    /// <summary>What tokenizer_config.json says; it counts only where tokenizer.json has no template.</summary>
    public bool AddsBegin { get; }

    // An id or a list of them.
    private List<int> Ids(JsonPlace? file, string key)
    {
        var ids = new List<int>();
        if (_notes.Advice(() => file?.Find(key), null) is not { } place)
            return ids;
        foreach (var item in place.Kind == JsonValueKind.Array ? place.Items() : [place])
        {
            if (_notes.Advice(() => Checked(item), null) is { } id)
                ids.Add(id);
        }

        return ids;
    }

    // Only added tokens: text such as [EOS] may be an ordinary piece.
    private IEnumerable<int> NamedEnds() =>
        _vocabulary.Added.Where(token => EndTokenNames.Ends(token.Text, _vocabulary.Ids.ContainsKey)).Select(static token => token.Id);

    // The name of a token, or an object that describes it. A name that the vocabulary lacks needs no note: many files carry one.
    private int? Named(JsonPlace? file, string key)
    {
        var name = _notes.Advice(
            () => file?.Find(key) is not { } place ? null : place.Kind == JsonValueKind.Object ? place.Get("content").Text() : place.Text(), null);
        return name is not null && _vocabulary.Ids.TryGetValue(name, out var id) ? id : null;
    }

    // Tools write -1 for none.
    private int? Checked(JsonPlace place) => place.Integer() switch
    {
        -1 => null,
        var id when (uint)id < (uint)_vocabulary.Pieces.Length && _vocabulary.Pieces[id].Length > 0 => id,
        var id => throw place.Bad($"is {id}, which no token has; the tokenizer has ids 0 to {_vocabulary.Pieces.Length - 1}"),
    };

    private static int? FirstOrNull(List<int> ids) => ids.Count > 0 ? ids[0] : null;
}
