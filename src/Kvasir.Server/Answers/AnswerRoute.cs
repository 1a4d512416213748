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

    /// <summary>Writes the answer to a request that asks for nothing to be computed; null for one that does, as all do in most dialects.</summary>
    public virtual Action<Utf8JsonWriter>? AtOnce(RequestFields body, ServedModel model) => null;

    /// <summary>For a streamed answer.</summary>
    public abstract AnswerWriter NewWriter(ServedAnswer answer, FrameWriter frames);

    /// <summary>Writes an answer that is not streamed, which has ended.</summary>
    public abstract void WriteWhole(Utf8JsonWriter json, ServedAnswer answer);
}
