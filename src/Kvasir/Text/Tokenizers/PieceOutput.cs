using System.Text;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>What pieces stand for: the bytes that a token writes, and the bytes by which a piece is found.</summary>
internal static class PieceOutput
{
    /// <summary>Output bytes by id.</summary>
    public static byte[][] OfAll(TokenizerModel model)
    {
        var outputs = new byte[model.Pieces.Length][];
        for (var id = 0; id < outputs.Length; id++)
            outputs[id] = Of(model.Kind, model.Types[id], model.Pieces[id]);
        return outputs;
    }

    /// <summary>Ids by what a word's bytes must be: for byte-level pieces the bytes spelled, else the piece in UTF-8.</summary>
    public static PieceLookup Lookup(TokenizerModel model)
    {
        var spelled = new byte[model.Pieces.Length][];
        var included = new bool[spelled.Length];
        for (var id = 0; id < spelled.Length; id++)
        {
            var isText = true;
            spelled[id] = model.Kind != TokenizerKind.ByteLevel ? Encoding.UTF8.GetBytes(model.Pieces[id])
                : (isText = ByteAlphabet.TryBytes(model.Pieces[id], out var bytes)) ? bytes : [];
            // Merging by score finds any entry by its text, except that letters of a prompt never become a control token.
            included[id] = isText && model.Types[id] switch
            {
                PieceType.Normal or PieceType.Byte => true,
                PieceType.UserDefined or PieceType.Unused => model.Kind == TokenizerKind.CharacterScores,
                _ => false,
            };
        }
        return new PieceLookup(new PieceBytes(spelled), included);
    }

    private static byte[] Of(TokenizerKind kind, PieceType type, string piece)
    {
        if (type is PieceType.Control or PieceType.Unknown or PieceType.Unused)
            return [];
        if (type == PieceType.UserDefined)
            return Encoding.UTF8.GetBytes(piece);
        if (kind == TokenizerKind.ByteLevel)
            return ByteAlphabet.TryBytes(piece, out var bytes) ? bytes : Encoding.UTF8.GetBytes(piece);
        if (type == PieceType.Byte && ByteTokens.TryParse(piece, out var value))
            return [value];
        return Encoding.UTF8.GetBytes(piece.Replace(SpaceMarks.Mark, ' '));
    }
}
