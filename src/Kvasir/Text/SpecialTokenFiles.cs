using System.Text.Json;
using Kvasir.Models;

namespace Kvasir.Text;

/// <summary>What the files beside tokenizer.json say about the tokens that begin and end a text. All of them may be missing.</summary>
internal sealed class SpecialTokenFiles
{
    private readonly TokenizerVocabulary _vocabulary;

    public SpecialTokenFiles(string folder, TokenizerVocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        var tokenizer = JsonPlace.LoadIfThere(Path.Combine(folder, "tokenizer_config.json"));
        var map = JsonPlace.LoadIfThere(Path.Combine(folder, "special_tokens_map.json"));
        var generation = JsonPlace.LoadIfThere(Path.Combine(folder, "generation_config.json"));
        var config = JsonPlace.LoadIfThere(Path.Combine(folder, "config.json"));

        var ends = new SortedSet<int>();
        AddIds(config, ends);
        AddIds(generation, ends);
        AddNames(ends);
        Begin = Named(tokenizer, "bos_token") ?? Named(map, "bos_token") ?? FirstId(config, "bos_token_id");
        End = Named(tokenizer, "eos_token") ?? Named(map, "eos_token") ?? FirstId(config, "eos_token_id");
        if (End is { } end)
            ends.Add(end);
        EndTokens = [.. ends];
        AddsBegin = tokenizer?.Flag("add_bos_token") ?? false;
    }

    public int? Begin { get; }

    public int? End { get; }

    /// <summary>All ids that end a generation, ascending.</summary>
    public int[] EndTokens { get; }

    /// <summary>What tokenizer_config.json says; it counts only where tokenizer.json has no template.</summary>
    public bool AddsBegin { get; }

    private void AddIds(JsonPlace? file, SortedSet<int> ids)
    {
        if (file?.Find("eos_token_id") is not { } place)
            return;
        foreach (var item in place.Kind == JsonValueKind.Array ? place.Items() : [place])
            ids.Add(Checked(item));
    }

    // Only added tokens: text such as [EOS] may be an ordinary piece.
    private void AddNames(SortedSet<int> ids)
    {
        foreach (var token in _vocabulary.Added)
        {
            if (EndTokenNames.Contains(token.Text))
                ids.Add(token.Id);
        }
    }

    // The name of a token, or an object that describes it. A name that the vocabulary lacks is no error: many files carry one.
    private int? Named(JsonPlace? file, string key)
    {
        if (file?.Find(key) is not { } place)
            return null;
        var name = place.Kind == JsonValueKind.Object ? place.Get("content").Text() : place.Text();
        return _vocabulary.Ids.TryGetValue(name, out var id) ? id : null;
    }

    private int? FirstId(JsonPlace? file, string key)
    {
        if (file?.Find(key) is not { } place)
            return null;
        foreach (var item in place.Kind == JsonValueKind.Array ? place.Items() : [place])
            return Checked(item);
        return null;
    }

    private int Checked(JsonPlace place)
    {
        var id = place.Integer();
        return (uint)id < (uint)_vocabulary.Pieces.Length ? id : throw place.Bad($"is {id}; the tokenizer has ids 0 to {_vocabulary.Pieces.Length - 1}");
    }
}
