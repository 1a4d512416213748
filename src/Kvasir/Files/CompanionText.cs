using System.Text;
using Unicode = System.Text.Unicode;

namespace Kvasir.Files;

/// <summary>A text beside a model's weights, whichever Unicode form an editor gave it.</summary>
internal static class CompanionText
{
    /// <summary>UTF-8 without a byte order mark. UTF-16 with one is understood (<see cref="PlainText.Recognize"/>); bytes that are no text become
    /// U+FFFD.</summary>
    /// <param name="limitBytes">Larger files are refused before they are read.</param>
    /// <param name="notes">Told of bytes that are no text; null for nobody.</param>
    /// <exception cref="KvasirException">The file is missing, empty, too large, cannot be read, or has a zero character.</exception>
    public static ReadOnlyMemory<byte> Read(string path, long limitBytes, Notes? notes)
    {
        ReadOnlyMemory<byte> bytes = ModelFile.Read(path, limitBytes);
        var (encoding, markBytes) = PlainText.Recognize(bytes.Span);
        bytes = bytes[markBytes..];
        if (encoding is UTF8Encoding && Unicode.Utf8.IsValid(bytes.Span) && !bytes.Span.Contains((byte)0))
            return bytes;
        var text = Encoding.UTF8.GetBytes(Encoding.GetEncoding(encoding.CodePage).GetString(bytes.Span));
        try
        {
            PlainText.DecodePart(bytes.Span, encoding, new TextPlace(path, 1, markBytes));
        }
        // A zero character is no slip of an encoding: this is another kind of file, or a Unicode form that does not say so.
        catch (KvasirException problem) when (!text.AsSpan().Contains((byte)0))
        {
            notes?.Add($"{problem.Message}; replacement characters stand for what is not");
        }

        return text;
    }
}
