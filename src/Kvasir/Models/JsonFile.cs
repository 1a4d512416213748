using System.Text;
using Kvasir.Text;
using Unicode = System.Text.Unicode;

namespace Kvasir.Models;

/// <summary>The text of a JSON file beside a model, whichever Unicode form an editor gave it.</summary>
public static class JsonFile
{
    /// <summary>UTF-8 without a byte order mark. UTF-16 with one is understood (<see cref="PlainText.Recognize"/>); bytes that are no text become U+FFFD.</summary>
    /// <param name="limitBytes">Larger files are refused before they are read.</param>
    /// <param name="notes">Told of bytes that are no text; null for nobody.</param>
    /// <exception cref="KvasirException">The file is missing, empty, too large or cannot be read.</exception>
    public static ReadOnlyMemory<byte> Read(string path, long limitBytes, Notes? notes = null)
    {
        ReadOnlyMemory<byte> bytes = ModelFile.Read(path, limitBytes);
        var (encoding, markBytes) = PlainText.Recognize(bytes.Span);
        bytes = bytes[markBytes..];
        if (encoding is not UTF8Encoding)
            return Encoding.UTF8.GetBytes(Encoding.GetEncoding(encoding.CodePage).GetString(bytes.Span));
        if (Unicode.Utf8.IsValid(bytes.Span))
            return bytes;
        notes?.Add($"{path}: holds text that is not UTF-8; replacement characters stand for it");
        return Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes.Span));
    }
}
