using System.Text;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>
/// SentencePiece's merging as GGUF files expect it: any two neighbours whose joined text is a piece may merge, the piece with
/// the best score first. What stays unknown is spelled in byte tokens.
/// </summary>
internal sealed class ScoreEncoder(TokenizerModel model, PieceLookup pieces) : WordEncoder
{
    private readonly int[] _byteTokens = ByteTokens.OfFallback(model);

    private readonly uint[] _keys = Array.ConvertAll(model.Scores, Key);

    protected override void Split(ReadOnlySpan<byte> word, Symbols symbols)
    {
        var i = 0;
        while (i < word.Length)
        {
            Rune.DecodeFromUtf8(word[i..], out _, out var length);
            symbols.Add(pieces.Find(word.Slice(i, length)), i);
            i += length;
        }
    }

    protected override bool TryPair(ReadOnlySpan<byte> word, Symbols symbols, int left, out uint key, out int merged)
    {
        merged = pieces.Find(word[symbols.Start(left)..symbols.End(symbols.Next(left))]);
        key = merged >= 0 ? _keys[merged] : Symbols.NoMerge;
        return merged >= 0;
    }

    protected override void Emit(ReadOnlySpan<byte> word, Symbols symbols, int index, List<int> tokens)
    {
        if (symbols.Piece(index) >= 0)
        {
            tokens.Add(symbols.Piece(index));
            return;
        }
        foreach (var b in word[symbols.Start(index)..symbols.End(index)])
        {
            var token = _byteTokens[b] >= 0 ? _byteTokens[b] : model.UnknownToken ?? -1;
            if (token >= 0)
                tokens.Add(token);
        }
    }

    // Maps scores to keys in reverse order: the bits of a float compare as an integer once the negative half is turned round.
    // Both zeros are one score, and the best possible key stays below NoMerge.
    private static uint Key(float score)
    {
        var bits = BitConverter.SingleToUInt32Bits(score + 0f);
        var ascending = (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
        return uint.MaxValue - 1 - Math.Min(ascending, uint.MaxValue - 1);
    }
}
