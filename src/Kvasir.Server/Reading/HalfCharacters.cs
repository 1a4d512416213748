using System.Text.Json;
using System.Text.Unicode;
using Kvasir.Server.Errors;

namespace Kvasir.Server.Reading;

/// <summary>
/// Looks for texts that are none: bytes that are no UTF-8, and escapes of half a surrogate pair. .NET's reader throws at them only when a text is taken.
/// </summary>
internal static class HalfCharacters
{
    private static ReadOnlySpan<byte> Escape => "\\u"u8;

    /// <exception cref="RequestException">There is one; the error names its place.</exception>
    public static void Refuse(ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body))
            throw new RequestException(ErrorKind.InvalidJson, "the request's body is not UTF-8");
        if (HasSurrogateEscape(body))
            RefuseHalves(body);
    }

    private static bool HasSurrogateEscape(ReadOnlySpan<byte> body)
    {
        for (var at = body.IndexOf(Escape); at >= 0; at = body.IndexOf(Escape))
        {
            body = body[(at + Escape.Length)..];
            if (body is [(byte)'d' or (byte)'D', not (>= (byte)'0' and <= (byte)'7'), ..])
                return true;
        }

        return false;
    }

    private static void RefuseHalves(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = RequestBody.MaxDepth });
        var places = new Stack<RequestPath>();
        var (indexes, place) = (new Stack<int>(), RequestPath.Root);
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    (place, _) = (places.Pop(), indexes.Pop());
                    break;
                case JsonTokenType.PropertyName:
                    place = places.Peek().Member(Read(ref reader, places.Peek()));
                    break;
                default:
                    if (indexes.TryPop(out var index))
                    {
                        place = index >= 0 ? places.Peek().Item(index) : place;
                        indexes.Push(index >= 0 ? index + 1 : index);
                    }

                    if (reader.TokenType == JsonTokenType.String)
                        Read(ref reader, place);
                    if (reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
                        break;
                    places.Push(place);
                    indexes.Push(reader.TokenType == JsonTokenType.StartArray ? 0 : -1);
                    break;
            }
        }
    }

    private static string Read(ref Utf8JsonReader reader, RequestPath place)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            var text = place == RequestPath.Root ? "a text of the request" : $"{place}";
            throw new RequestException(ErrorKind.InvalidJson, $"{text} has half of a surrogate pair, which is no character", place.ToString());
        }
    }
}
