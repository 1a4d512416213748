using System.Globalization;

namespace Kvasir.Text.Tokenizers;

/// <summary>Which token stands for each single byte; -1 where the vocabulary has none.</summary>
internal static class ByteTokens
{
    /// <summary>Of a byte-level vocabulary.</summary>
    public static int[] OfByteLevel(PieceLookup pieces)
    {
        var tokens = new int[256];
        for (var i = 0; i < tokens.Length; i++)
            tokens[i] = pieces.Find([(byte)i]);
        return tokens;
    }

    /// <summary>Of a SentencePiece vocabulary, which spells them &lt;0x00&gt; to &lt;0xFF&gt;.</summary>
    public static int[] OfFallback(TokenizerModel model)
    {
        var tokens = new int[256];
        Array.Fill(tokens, -1);
        for (var id = 0; id < model.Pieces.Length; id++)
        {
            if (TryParse(model.Pieces[id], out var value) && tokens[value] < 0)
                tokens[value] = id;
        }
        return tokens;
    }

    /// <summary>Reads <c>&lt;0x0A&gt;</c>: two hexadecimal digits.</summary>
    public static bool TryParse(string piece, out byte value)
    {
        value = 0;
        return piece.Length == 6 && piece.StartsWith("<0x", StringComparison.Ordinal) && piece[5] == '>'
            && byte.TryParse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
