using System.Text.Json;
using Kvasir.Server.Framing;

namespace Kvasir.Server.Errors;

/// <summary>How a dialect says an error.</summary>
/// <param name="Status">Of HTTP.</param>
/// <param name="Write">Writes the body, or the frame of a stream, as one JSON value; told the id of the request, and whether a stream has begun.</param>
/// <param name="OverflowMessage">The words by which this dialect's clients know that a prompt is too long for the context.</param>
internal sealed record ErrorShape(Func<RequestError, int> Status, ErrorBody Write, Func<Overflow, string> OverflowMessage)
{
    /// <summary>Of the frame, in dialects that name them.</summary>
    public string? EventName { get; init; }

    /// <summary>Whether a frame without an error ends streams, and so those that an error ends too.</summary>
    public bool HasDone { get; init; }

    /// <summary>Ends a stream, however far it is.</summary>
    public async Task EndAsync(FrameWriter frames, RequestError error)
    {
        Write(frames.Begin(EventName), error, frames.RequestId, isInStream: true);
        await frames.SendAsync().ConfigureAwait(false);
        if (HasDone && frames is SseFrames events)
            await events.SendDoneAsync().ConfigureAwait(false);
    }
}

/// <summary>Writes an error as one JSON value.</summary>
internal delegate void ErrorBody(Utf8JsonWriter json, RequestError error, string requestId, bool isInStream);
