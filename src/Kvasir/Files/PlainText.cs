using System.Text;

namespace Kvasir.Files;

/// <summary>
/// The one rule for bytes that should be text: UTF-8 with or without a byte order mark, or UTF-16 with one; no byte that is not, and no zero
/// character, which no text has and every other kind of file does.
/// </summary>
public static class PlainText
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static readonly UnicodeEncoding StrictLittleEndian = new(bigEndian: false, byteOrderMark: false, throwOnInvalidBytes: true);

    private static readonly UnicodeEncoding StrictBigEndian = new(bigEndian: true, byteOrderMark: false, throwOnInvalidBytes: true);

    /// <summary>The encoding of a text by its first bytes, of which three are enough, and how many of them are its byte order mark.</summary>
    public static (Encoding Encoding, int MarkBytes) Recognize(ReadOnlySpan<byte> beginning) => beginning switch
    {
        [0xFF, 0xFE, ..] => (StrictLittleEndian, 2),
        [0xFE, 0xFF, ..] => (StrictBigEndian, 2),
        [0xEF, 0xBB, 0xBF, ..] => (StrictUtf8, 3),
        _ => (StrictUtf8, 0),
    };

    /// <summary>A whole text without its byte order mark.</summary>
    /// <param name="bytes">All of it.</param>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <exception cref="KvasirException"><see cref="KvasirError.BadFile"/>: it is no text; the message says at which line and byte.</exception>
    public static string Decode(ReadOnlySpan<byte> bytes, string source)
    {
        var (encoding, markBytes) = Recognize(bytes);
        return DecodePart(bytes[markBytes..], encoding, new TextPlace(source, 1, markBytes));
    }

    /// <summary>A part of a text, in the encoding that <see cref="Recognize"/> found.</summary>
    /// <exception cref="KvasirException">As <see cref="Decode"/>.</exception>
    public static string DecodePart(ReadOnlySpan<byte> bytes, Encoding encoding, in TextPlace place)
    {
        string text;
        try
        {
            text = encoding.GetString(bytes);
        }
        catch (DecoderFallbackException problem)
        {
            throw Bad(
                bytes, encoding is UTF8Encoding ? problem.Index : FirstBadUnit(bytes, encoding),
                encoding, place, "is not " + (encoding is UTF8Encoding ? "UTF-8" : "UTF-16"), problem);
        }

        var zero = text.IndexOf('\0', StringComparison.Ordinal);
        return zero < 0 ? text : throw Bad(bytes, encoding.GetByteCount(text.AsSpan(0, zero)), encoding, place, "has a zero character", null);
    }

    /// <summary>Refuses what is no text, without making a string of it. The bytes are UTF-8.</summary>
    /// <exception cref="KvasirException">As <see cref="Decode"/>.</exception>
    public static void Check(ReadOnlySpan<byte> bytes, in TextPlace place)
    {
        if (!System.Text.Unicode.Utf8.IsValid(bytes) || bytes.Contains((byte)0))
            DecodePart(bytes, StrictUtf8, place);
    }

    /// <summary>Reads a file.</summary>
    /// <param name="limitBytes">The most that it may have.</param>
    /// <exception cref="KvasirException">It is missing, cannot be read, is too large, or is no text.</exception>
    public static string ReadFile(string path, long limitBytes)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return Decode(ReadAll(file, path, limitBytes), path);
        }
        catch (Exception problem) when (problem is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} does not exist", problem);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException && Directory.Exists(path))
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} is a folder", problem);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be read: {problem.Message}", problem);
        }
    }

    // What a device or a pipe holds is known only when it was read.
    private static ReadOnlySpan<byte> ReadAll(FileStream file, string path, long limitBytes)
    {
        var (known, count) = (file.CanSeek ? file.Length : 0, 0L);
        var bytes = new byte[known > limitBytes ? 0 : Math.Max(known, 1 << 12) + 1];
        while (count <= limitBytes && known <= limitBytes && file.Read(bytes.AsSpan((int)count)) is > 0 and var read)
        {
            count += read;
            if (count == bytes.Length)
                Array.Resize(ref bytes, (int)Math.Min(2 * count, limitBytes + 1));
        }

        return Math.Max(known, count) <= limitBytes
            ? bytes.AsSpan(0, (int)count)
            : throw new KvasirException(KvasirError.BadFile, $"{path}: more than {limitBytes} bytes in one piece");
    }

    // Half of a surrogate pair without the other, or half of a unit; the decoder names the place behind.
    private static int FirstBadUnit(ReadOnlySpan<byte> bytes, Encoding encoding)
    {
        var low = encoding == StrictLittleEndian ? 0 : 1;
        for (var i = 0; i + 1 < bytes.Length; i += 2)
        {
            var unit = (char)(bytes[i + low] | (bytes[i + 1 - low] << 8));
            if (!char.IsSurrogate(unit))
                continue;
            if (i + 3 >= bytes.Length || !char.IsSurrogatePair(unit, (char)(bytes[i + 2 + low] | (bytes[i + 3 - low] << 8))))
                return i;
            i += 2;
        }

        return bytes.Length - 1;
    }

    private static KvasirException Bad(ReadOnlySpan<byte> bytes, int index, Encoding encoding, in TextPlace place, string what, Exception? problem)
    {
        index = Math.Clamp(index, 0, bytes.Length);
        var line = place.Line;
        for (var i = 0; i < index; i++)
        {
            // Of UTF-16 a line feed has a zero beside it.
            var isFeed = bytes[i] == '\n' && (encoding is UTF8Encoding || ((i & ~1) + 1 < bytes.Length && bytes[i ^ 1] == 0));
            line += isFeed ? 1 : 0;
        }

        var message = $"{place.Source}:{line}: {what} at byte {place.Offset + index}; text in UTF-8, or in UTF-16 with a byte order mark, can be read";
        return problem is null ? new KvasirException(KvasirError.BadFile, message) : new KvasirException(KvasirError.BadFile, message, problem);
    }
}
