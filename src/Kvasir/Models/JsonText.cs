using System.Text.Json;

namespace Kvasir.Models;

/// <summary>Runs a JSON reader over a file's text and turns its complaints into ours.</summary>
internal static class JsonText
{
    /// <param name="path">The file, for messages.</param>
    /// <param name="read">Reads; may throw what System.Text.Json throws on bad text.</param>
    public static T Read<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException is how the reader reports text that is not UTF-8 or breaks a surrogate pair.
            throw new KvasirException(KvasirError.BadFile, $"{path}: is not valid JSON: {Shown.Line(exception.Message)}", exception);
        }
    }
}
