namespace Kvasir.Text.Tokenizers;

/// <summary>
/// GPT-2's spelling of bytes: each byte is one visible character, itself where it prints in Latin-1, else one from U+0100 on.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Letters = BuildLetters();

    private static readonly short[] Bytes = BuildBytes();

    /// <summary>The character that spells <paramref name="value"/>.</summary>
    public static char Letter(byte value) => Letters[value];

    /// <summary>The bytes that <paramref name="piece"/> spells, or false when a character of it spells none.</summary>
    public static bool TryBytes(string piece, out byte[] bytes)
    {
        bytes = new byte[piece.Length];
        for (var i = 0; i < piece.Length; i++)
        {
            if (piece[i] >= Bytes.Length || Bytes[piece[i]] < 0)
                return false;
            bytes[i] = (byte)Bytes[piece[i]];
        }
        return true;
    }

    private static char[] BuildLetters()
    {
        var letters = new char[256];
        var next = (char)256;
        for (var i = 0; i < letters.Length; i++)
            letters[i] = i is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE ? (char)i : next++;
        return letters;
    }

    private static short[] BuildBytes()
    {
        var bytes = new short[256 + 68];
        Array.Fill(bytes, (short)-1);
        for (var i = 0; i < 256; i++)
            bytes[Letters[i]] = (short)i;
        return bytes;
    }
}
