using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;

namespace Kvasir.Server.OpenAi;

/// <summary>
/// A stream of chunks, each with what all have in common. Their order: pieces of choices, the end of each with its reason, usage where it was asked for, and
/// <c>[DONE]</c>, behind errors too. What the answer took rides on the last chunk.
/// </summary>
internal abstract class OpenAiStream(ServedAnswer answer, SseFrames frames) : AnswerWriter(answer)
{
    private readonly AnswerName _name = new(answer.CreatedAt);

    public override TimeSpan? UntilKeepAlive => frames.UntilKeepAlive;

    protected abstract string IdPrefix { get; }

    protected abstract string ObjectName { get; }

    public override Task BeginAsync() => frames.StartAsync();

    public override Task KeepAliveAsync() =>
        frames.KeepAliveAsync(Answer is { IsInPrefill: true, ComputedPromptTokens: > 0 }
            ? FormattableString.Invariant($"prefill {Answer.ComputedPromptTokens}/{Answer.PromptTokens}")
            : "ping");

    public override Task ProgressAsync()
    {
        var json = BeginChunk();
        json.WriteStartArray("choices");
        json.WriteEndArray();
        json.WriteStartObject("prompt_progress");
        json.WriteNumber("total", Answer.PromptTokens);
        if (!Answer.HidesCacheUse)
            json.WriteNumber("cache", Answer.ToldCachedTokens);
        json.WriteNumber("processed", Answer.ComputedPromptTokens);
        json.WriteNumber("time_ms", Math.Round(Answer.ElapsedMs));
        if (Answer.Choices[0].Sequence.Place is { } place)
            json.WriteNumber("queue_position", place.Position);
        json.WriteEndObject();
        return EndChunkAsync(json);
    }

    public override async Task FinishAsync()
    {
        if (Answer.Request.IncludesUsage)
        {
            var json = BeginChunk();
            json.WriteStartArray("choices");
            json.WriteEndArray();
            FiguresJson.WriteUsage(json, Answer);
            WriteFigures(json);
            json.WriteEndObject();
            await frames.SendAsync().ConfigureAwait(false);
        }

        await frames.SendDoneAsync().ConfigureAwait(false);
    }

    public override Task FailAsync(RequestError error) => OpenAiErrors.Shape.EndAsync(frames, error);

    /// <summary>Begins a chunk, up to its choices.</summary>
    protected Utf8JsonWriter BeginChunk()
    {
        var json = frames.Begin();
        json.WriteStartObject();
        _name.Write(json, IdPrefix, ObjectName, Answer.Model);
        return json;
    }

    /// <summary>Ends and sends a chunk.</summary>
    /// <param name="isLast">Whether no choice has more to say.</param>
    protected Task EndChunkAsync(Utf8JsonWriter json, bool isLast = false)
    {
        if (Answer.Request.IncludesUsage)
            json.WriteNull("usage");
        if (isLast && !Answer.Request.IncludesUsage)
            WriteFigures(json);
        else if (Answer.Request.IncludesTimings)
            FiguresJson.WriteTimings(json, Answer);
        json.WriteEndObject();
        return frames.SendAsync();
    }

    private void WriteFigures(Utf8JsonWriter json)
    {
        FiguresJson.WriteTimings(json, Answer);
        FiguresJson.WriteKvasir(json, Answer);
    }
}
