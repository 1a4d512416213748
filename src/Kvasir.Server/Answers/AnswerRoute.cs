using System.Text.Json;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Answers;

/// <summary>A route by which a model answers: how its requests are read and its answers written. All that is between is <see cref="AnswerPath"/>.</summary>
internal abstract class AnswerRoute
{
    /// <summary>How the dialect says errors.</summary>
    public abstract ErrorShape Errors { get; }

    /// <summary>How its streams are cut into frames.</summary>
    public virtual FrameWriter NewFrames(HttpContext context, FrameTimes times) => new SseFrames(context, times);

    /// <summary>Reads and checks a request for a model.</summary>
    /// <exception cref="RequestException">It asks for what is not there, or is out of range.</exception>
    public abstract AnswerRequest Read(RequestFields body, ServedModel model);

    /// <summary>Whether a request is to be answered piece by piece.</summary>
    public virtual bool Streams(RequestFields body) => body.Find("stream")?.Flag() ?? false;

    /// <summary>Writes the answer to a request for which its model need not be in memory; null for one that needs it, as all do in most dialects.</summary>
    public virtual Action<Utf8JsonWriter>? BeforeLoad(RequestFields body, KnownModel known, DateTimeOffset now) => null;

    /// <summary>How long the request's model stays behind it; null where the request does not say.</summary>
    public virtual ModelStay? Stay(RequestFields body) => null;

    /// <summary>Ends a stream that has begun, and in which nothing of an answer was written.</summary>
    public virtual Task FailAsync(FrameWriter frames, RequestError error) => Errors.EndAsync(frames, error);

    /// <summary>Writes the answer to a request that asks for nothing to be computed; null for one that does, as all do in most dialects.</summary>
    public virtual Action<Utf8JsonWriter>? AtOnce(RequestFields body, ServedModel model) => null;

    /// <summary>For a streamed answer.</summary>
    public abstract AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames);

    /// <summary>Writes an answer that is not streamed, which has ended.</summary>
    public abstract void WriteWhole(Utf8JsonWriter json, ServedAnswer answer);
}

/// <summary>How long a model stays in memory behind its last request.</summary>
/// <param name="Time">Null for ever.</param>
internal readonly record struct ModelStay(TimeSpan? Time);
