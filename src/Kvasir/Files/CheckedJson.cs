using System.Text.Json;

namespace Kvasir.Files;

/// <summary>Runs a JSON reader over a file's text and turns its complaints into ours.</summary>
internal static class CheckedJson
{
    /// <param name="path">The file, for messages.</param>
    /// <param name="read">Reads; may throw what System.Text.Json throws on bad text.</param>
    public static T Read<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (JsonException exception)
        {
            var place = exception.LineNumber is { } line ? $" in line {line + 1} at byte {exception.BytePositionInLine}" : "";
            throw new KvasirException(KvasirError.BadFile, $"{path}: is not valid JSON{place}: {MessageText.Line(Reason(exception.Message))}", exception);
        }
        // How the reader reports text that is not UTF-8 or breaks a surrogate pair.
        catch (InvalidOperationException exception)
        {
            throw new KvasirException(KvasirError.BadFile, $"{path}: is not valid JSON: {MessageText.Line(exception.Message)}", exception);
        }
    }

    // Without the place, which is said in our own words, and without advice to programmers.
    private static string Reason(string message)
    {
        foreach (var tail in (ReadOnlySpan<string>)[" LineNumber:", " Path:", " Change the reader options"])
            message = message.Split(tail, 2)[0];
        return message.TrimEnd('.');
    }
}
