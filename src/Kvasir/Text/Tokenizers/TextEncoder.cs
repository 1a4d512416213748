using System.Text;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>From text to tokens: added tokens, normaliser, words, merges. Safe for threads that each bring their scratch.</summary>
internal sealed class TextEncoder
{
    private readonly TokenizerModel _model;

    private readonly WordEncoder _words;

    private readonly WordCache _cache = new();

    private readonly AddedTokenMatcher _rawTokens;

    private readonly AddedTokenMatcher _normalizedTokens;

    // Control tokens that are looked for in normalised text.
    private readonly bool _hasLateControlTokens;

    public TextEncoder(TokenizerModel model, PieceLookup pieces)
    {
        _model = model;
        _words = model.Kind == TokenizerKind.CharacterScores ? new ScoreEncoder(model, pieces) : new RankEncoder(model, pieces);
        _rawTokens = Matcher(model, normalized: false);
        _normalizedTokens = Matcher(model, normalized: true);
        _hasLateControlTokens = model.Normalizer.Length > 0 && model.AddedTokens.Any(static token => token is { Normalized: true, Special: true });
    }

    /// <summary>Appends the tokens of <paramref name="text"/>; surrogates without a partner count as U+FFFD.</summary>
    public void Encode(ReadOnlySpan<char> text, ControlPlaces places, Scratch scratch, List<int> tokens)
    {
        _rawTokens.Find(text, places, scratch.Raw);
        var start = 0;
        foreach (var match in scratch.Raw)
        {
            EncodeSection(text[start..match.Start], start, places.Part(start, match.Start), scratch, tokens);
            tokens.Add(match.Token.Id);
            start = match.End;
        }
        EncodeSection(text[start..], start, places.Part(start, text.Length), scratch, tokens);
    }

    private void EncodeSection(ReadOnlySpan<char> section, int start, ControlPlaces places, Scratch scratch, List<int> tokens)
    {
        if (section.IsEmpty)
            return;
        if (_model.Normalizer.Length > 0)
        {
            var normalized = Normalize(section.ToString());
            if (_hasLateControlTokens)
                places = places.After(section, normalized, Normalize);
            section = normalized;
        }

        _normalizedTokens.Find(section, places, scratch.Normalized);
        var from = 0;
        foreach (var match in scratch.Normalized)
        {
            EncodePlain(section[from..match.Start], start + from == 0, scratch, tokens);
            tokens.Add(match.Token.Id);
            from = match.End;
        }
        EncodePlain(section[from..], start + from == 0, scratch, tokens);
    }

    private string Normalize(string text) => NormalizerStep.ApplyAll(_model.Normalizer, text);

    private void EncodePlain(ReadOnlySpan<char> text, bool isFirst, Scratch scratch, List<int> tokens)
    {
        if (text.IsEmpty)
            return;
        if (_model.SpaceMark is { } mark)
            text = MarkSpaces(text, mark, isFirst);
        for (var i = 0; i < text.Length;)
        {
            var end = WordSplitter.NextWord(_model.Pattern, text, i);
            EncodeWord(scratch.Utf8(text[i..end]), scratch.Symbols, tokens);
            i = end;
        }
    }

    private string MarkSpaces(ReadOnlySpan<char> text, string mark, bool isFirst)
    {
        var marked = text.ToString().Replace(" ", mark, StringComparison.Ordinal);
        var prefixed = _model.SpacePrefix == SpacePrefix.Always || (_model.SpacePrefix == SpacePrefix.First && isFirst);
        return prefixed && !marked.StartsWith(mark, StringComparison.Ordinal) ? mark + marked : marked;
    }

    private void EncodeWord(ReadOnlySpan<byte> word, Symbols symbols, List<int> tokens)
    {
        if (word.Length > WordCache.MaxWordBytes)
        {
            _words.Encode(word, symbols, tokens);
            return;
        }
        if (_cache.TryAppend(word, tokens, out var slot))
            return;
        var before = tokens.Count;
        _words.Encode(word, symbols, tokens);
        var found = new int[tokens.Count - before];
        tokens.CopyTo(before, found, 0, found.Length);
        _cache.Put(slot, word, found);
    }

    private static AddedTokenMatcher Matcher(TokenizerModel model, bool normalized)
    {
        var tokens = new List<(string, AddedToken)>();
        foreach (var token in model.AddedTokens)
        {
            // Without a normaliser both texts are the same, and one search is enough.
            var late = token.Normalized && model.Normalizer.Length > 0;
            if (late == normalized)
                tokens.Add((late ? NormalizerStep.ApplyAll(model.Normalizer, token.Text) : token.Text, token));
        }
        return new AddedTokenMatcher(tokens, model.LongestAddedTokenFirst);
    }

    /// <summary>What one encoding call needs; kept for the next call.</summary>
    internal sealed class Scratch
    {
        private byte[] _utf8 = new byte[256];

        public Symbols Symbols { get; } = new();

        public List<AddedTokenMatch> Raw { get; } = [];

        public List<AddedTokenMatch> Normalized { get; } = [];

        /// <summary>UTF-8 of <paramref name="text"/>, valid until the next call.</summary>
        public ReadOnlySpan<byte> Utf8(ReadOnlySpan<char> text)
        {
            if (_utf8.Length < Encoding.UTF8.GetMaxByteCount(text.Length))
                _utf8 = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
            return _utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, _utf8));
        }
    }
}

/// <summary>
/// Tokens of words met before. A fixed number of slots, each holding the last word that fell into it; entries are
/// immutable, so that threads may share it without a lock.
/// </summary>
internal sealed class WordCache
{
    public const int MaxWordBytes = 32;

    private const int SlotCount = 1 << 14;

    private readonly Entry?[] _slots = new Entry?[SlotCount];

    /// <summary>Appends the tokens of <paramref name="word"/> if they are known.</summary>
    public bool TryAppend(ReadOnlySpan<byte> word, List<int> tokens, out int slot)
    {
        slot = (int)PieceLookup.Hash(word) & SlotCount - 1;
        var entry = Volatile.Read(ref _slots[slot]);
        if (entry is null || !word.SequenceEqual(entry.Word))
            return false;
        tokens.AddRange(entry.Tokens.AsSpan());
        return true;
    }

    public void Put(int slot, ReadOnlySpan<byte> word, int[] tokens) => Volatile.Write(ref _slots[slot], new Entry(word.ToArray(), tokens));

    private sealed record Entry(byte[] Word, int[] Tokens);
}
