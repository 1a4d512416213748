using System.Text;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>Merges by rank (byte-pair encoding), over bytes or over characters with bytes for those that are no piece.</summary>
internal sealed class RankEncoder : WordEncoder
{
    private const int NotThere = -1;

    private readonly MergeTable _merges;

    private readonly PieceLookup _pieces;

    private readonly int[] _byteTokens;      // [256], NotThere where the vocabulary has none

    private readonly TokenizerModel _model;

    public RankEncoder(TokenizerModel model, PieceLookup pieces)
    {
        _model = model;
        _pieces = pieces;
        _merges = new MergeTable(model.Merges);
        _byteTokens = model.Kind == TokenizerKind.ByteLevel ? ByteTokens.OfByteLevel(pieces) : ByteTokens.OfFallback(model);
    }

    protected override void Split(ReadOnlySpan<byte> word, Symbols symbols)
    {
        if ((_model.IgnoreMerges || (_model.KeepsLineBreaks && word[0] == '\n')) && _pieces.Find(word) is var whole and >= 0)
            symbols.Add(whole, 0);
        else if (_model.Kind == TokenizerKind.ByteLevel)
            SplitBytes(word, symbols);
        else
            SplitCharacters(word, symbols);
    }

    protected override bool TryPair(ReadOnlySpan<byte> word, Symbols symbols, int left, out uint key, out int merged) =>
        _merges.TryGet(symbols.Piece(left), symbols.Piece(symbols.Next(left)), out key, out merged);

    protected override void Emit(ReadOnlySpan<byte> word, Symbols symbols, int index, List<int> tokens) => tokens.Add(symbols.Piece(index));

    private void SplitBytes(ReadOnlySpan<byte> word, Symbols symbols)
    {
        for (var i = 0; i < word.Length; i++)
        {
            var token = _byteTokens[word[i]];
            if (token != NotThere)
                symbols.Add(token, i);
            else
                AddUnknown(symbols, i);
        }
    }

    private void SplitCharacters(ReadOnlySpan<byte> word, Symbols symbols)
    {
        var i = 0;
        while (i < word.Length)
        {
            Rune.DecodeFromUtf8(word[i..], out _, out var length);
            var piece = _pieces.Find(word.Slice(i, length));
            if (piece >= 0)
                symbols.Add(piece, i);
            else if (_model.ByteFallback && AllKnown(word.Slice(i, length)))
                SplitBytes(word, symbols, i, length);
            else
                AddUnknown(symbols, i);
            i += length;
        }
    }

    private void SplitBytes(ReadOnlySpan<byte> word, Symbols symbols, int start, int length)
    {
        for (var i = start; i < start + length; i++)
            symbols.Add(_byteTokens[word[i]], i);
    }

    private bool AllKnown(ReadOnlySpan<byte> bytes)
    {
        foreach (var b in bytes)
        {
            if (_byteTokens[b] == NotThere)
                return false;
        }
        return true;
    }

    // Without an unknown token the character is dropped, as Hugging Face drops it.
    private void AddUnknown(Symbols symbols, int start)
    {
        if (_model.UnknownToken is not { } unknown)
            return;
        if (_model.FuseUnknown && symbols.Count > 0 && symbols.Piece(symbols.Count - 1) == unknown)
            return;
        symbols.Add(unknown, start);
    }
}
