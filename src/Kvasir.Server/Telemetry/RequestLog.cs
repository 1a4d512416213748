using System.Buffers;
using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Framing;
using Kvasir.Server.OpenAi;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Telemetry;

/// <summary>
/// A line of JSON for each request: what it was, what became of it, and where its time went. What a client wrote is cut at 256 characters, and control
/// characters
/// are escaped; prompts and answers are there only where the server is told so. The file is opened for each line, so that it may be moved away at any time.
/// </summary>
internal sealed partial class RequestLog(IOptions<KvasirOptions> options, TimeProvider clock, ILogger<RequestLog> log)
{
    /// <summary>The error stream, in place of a file.</summary>
    public const string ErrorStream = "-";

    private const int MostChars = 256;
    private static readonly TimeSpan Quiet = TimeSpan.FromMinutes(1);
    private readonly Lock _turn = new();
    private readonly string? _path = options.Value.RequestLog;
    private long? _complainedAt;

    public void Write(RequestRecord record)
    {
        if (_path is null)
            return;
        var line = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(line, FrameWriter.Style))
            Write(json, record);
        line.Write("\n"u8);
        lock (_turn)
            Append(line.WrittenSpan);
    }

    private void Append(ReadOnlySpan<byte> line)
    {
        try
        {
            using var stream = _path == ErrorStream ? Console.OpenStandardError()
                : new FileStream(_path!, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, 1);
            stream.Write(line);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // A disk that is full is told once a minute, and no request fails for it.
            if (_complainedAt is { } last && clock.GetElapsedTime(last) < Quiet)
                return;
            _complainedAt = clock.GetTimestamp();
            LogLost(problem, _path!);
        }
    }

    private void Write(Utf8JsonWriter json, RequestRecord record)
    {
        json.WriteStartObject();
        json.WriteString("time", record.StartedAt.UtcDateTime);
        json.WriteString("id", record.Id);
        if (record.Key is { } key)
            json.WriteString("key", key.Name);
        json.WriteString("method", Cut(record.Method));
        json.WriteString("path", Cut(record.Path));
        json.WriteString("route", record.Route);
        json.WriteNumber("status", record.Status);
        json.WriteNumber("ms", Rounded(record.Elapsed.TotalMilliseconds));
        if (record.Answer is { } answer)
            Write(json, answer, record);
        if (record.IsGone)
            json.WriteString("phase", RequestMeter.Phase(record.Answer));
        if (record.Error is { } error)
        {
            json.WriteString("error", error.Kind.Code);
            json.WriteString("message", Cut(error.Message));
        }

        json.WriteEndObject();
    }

    private void Write(Utf8JsonWriter json, ServedAnswer answer, RequestRecord record)
    {
        var first = answer.Choices[0].Sequence;
        json.WriteString("model", answer.Model.Id);
        json.WriteString("attention", Cut(AnswerHeaders.AttentionOf(answer)));
        json.WriteBoolean("stream", answer.Request.Streams);
        json.WriteNumber("priority", first.Options.Priority);
        json.WriteNumber("prompt_tokens", answer.PromptTokens);
        json.WriteNumber("cached_tokens", answer.CachedTokens);
        if (first.DivergedAt is { } place)
            json.WriteNumber("diverged_at", place);
        json.WriteNumber("completion_tokens", answer.CompletionTokens);
        WriteMs(json, "queue_ms", first.Timings.PrefillStartMs);
        WriteMs(json, "prefill_ms", first.Timings.PrefillMs);
        WriteMs(json, "first_token_ms", record.UntilSubmission.TotalMilliseconds + first.Timings.FirstTokenMs);
        if (first.Timings.IndexMs > 0)
            WriteMs(json, "index_ms", first.Timings.IndexMs);
        WriteMs(json, "decode_ms", first.Timings.DecodeMs);
        json.WriteNumber("preempted", answer.Choices.Sum(static choice => choice.Sequence.Timings.PreemptionsMs.Count));
        json.WriteStartArray("finish");
        foreach (var choice in answer.Choices)
            json.WriteStringValue(FiguresJson.FinishWord(choice));
        json.WriteEndArray();
        if (!options.Value.LogText)
            return;
        json.WriteString("prompt", answer.Model.Model.Tokenizer.Decode(first.Tokens[..first.PromptCount]));
        json.WriteStartArray("answers");
        foreach (var choice in answer.Choices)
            json.WriteStringValue(choice.Reasoning + choice.Text);
        json.WriteEndArray();
    }

    private static void WriteMs(Utf8JsonWriter json, string name, double ms)
    {
        if (double.IsFinite(ms))
            json.WriteNumber(name, Rounded(ms));
    }

    private static double Rounded(double ms) => Math.Round(ms, 3);

    // No half of a character at the end, nor anywhere.
    private static string Cut(string text)
    {
        if (text.Length <= MostChars)
            return text;
        return text[..(char.IsHighSurrogate(text[MostChars - 1]) ? MostChars - 1 : MostChars)];
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Lines of the request log {Path} are lost")]
    private partial void LogLost(Exception problem, string path);
}
