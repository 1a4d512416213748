using System.Text.Json;

namespace Kvasir.Server.Errors;

/// <summary>How a dialect says an error.</summary>
/// <param name="Status">Of HTTP.</param>
/// <param name="Write">Writes the body, or the frame of a stream, as one JSON value; told the id of the request, and whether a stream has begun.</param>
/// <param name="OverflowMessage">The words by which this dialect's clients know that a prompt is too long for the context.</param>
internal sealed record ErrorShape(Func<RequestError, int> Status, ErrorBody Write, Func<Overflow, string> OverflowMessage);

/// <summary>Writes an error as one JSON value.</summary>
internal delegate void ErrorBody(Utf8JsonWriter json, RequestError error, string requestId, bool isInStream);
