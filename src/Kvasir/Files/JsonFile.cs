namespace Kvasir.Files;

/// <summary>The text of a JSON file beside a model.</summary>
public static class JsonFile
{
    /// <summary>
    /// UTF-8 without a byte order mark, which may have been UTF-16. NaN and Infinity, which Python writes and JSON lacks, stand in quotes: whoever asks for
    /// such a number refuses it, and nobody else minds.
    /// </summary>
    /// <param name="limitBytes">Larger files are refused before they are read.</param>
    /// <param name="notes">Told of bytes that are no text; null for nobody.</param>
    /// <exception cref="KvasirException">The file is missing, empty, too large, cannot be read, or has a zero character.</exception>
    public static ReadOnlyMemory<byte> Read(string path, long limitBytes, Notes? notes = null)
    {
        var text = CompanionText.Read(path, limitBytes, notes);
        return text.Span.IndexOf("NaN"u8) < 0 && text.Span.IndexOf("Infinity"u8) < 0 ? text : Quoted(text.Span);
    }

    private static byte[] Quoted(ReadOnlySpan<byte> text)
    {
        var quoted = new List<byte>(text.Length + 16);
        var inText = false;
        for (var i = 0; i < text.Length; i++)
        {
            var word = inText ? 0 : WordBytes(text[i..]);
            if (word > 0)
            {
                quoted.AddRange([(byte)'"', .. text.Slice(i, word), (byte)'"']);
                i += word - 1;
                continue;
            }

            quoted.Add(text[i]);
            // What is escaped ends no text.
            if (inText && text[i] == '\\' && i + 1 < text.Length)
                quoted.Add(text[++i]);
            else if (text[i] == '"')
                inText = !inText;
        }

        return [.. quoted];
    }

    private static int WordBytes(ReadOnlySpan<byte> text) => text switch
    {
        _ when text.StartsWith("NaN"u8) => 3,
        _ when text.StartsWith("Infinity"u8) => 8,
        _ when text.StartsWith("-Infinity"u8) => 9,
        _ => 0,
    };
}
