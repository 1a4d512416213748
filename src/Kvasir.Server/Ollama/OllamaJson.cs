using System.Globalization;
using System.Text.Json;
using Kvasir.Server.Answers;

namespace Kvasir.Server.Ollama;

/// <summary>What lines and whole answers are made of.</summary>
internal static class OllamaJson
{
    private const double NanosecondsPerMs = 1e6;

    public static void WriteHead(Utf8JsonWriter json, ServedAnswer answer)
    {
        json.WriteString("model", answer.Model.Id);
        json.WriteString("created_at", Time(answer.CreatedAt));
    }

    /// <param name="hasMessages">Whether the text stands in a message, or in <c>response</c>.</param>
    /// <param name="calls">Those that are complete are told.</param>
    public static void WriteText(Utf8JsonWriter json, bool hasMessages, string text, string thinking = "", IReadOnlyList<ServedCall>? calls = null)
    {
        if (hasMessages)
        {
            json.WriteStartObject("message");
            json.WriteString("role", "assistant");
            json.WriteString("content", text);
        }
        else
        {
            json.WriteString("response", text);
        }

        if (thinking.Length > 0)
            json.WriteString("thinking", thinking);
        WriteCalls(json, [.. (calls ?? []).Where(static call => call.IsComplete)]);
        if (hasMessages)
            json.WriteEndObject();
    }

    /// <summary>How it ended, and what it took, in nanoseconds.</summary>
    public static void WriteEnd(Utf8JsonWriter json, ServedAnswer answer)
    {
        var timings = AnswerTimings.Of(answer);
        json.WriteBoolean("done", true);
        json.WriteString("done_reason", answer.Choices[0].IsCut ? "length" : "stop");
        json.WriteNumber("total_duration", Nanoseconds(answer.ElapsedMs));
        json.WriteNumber("load_duration", 0);
        json.WriteNumber("prompt_eval_count", answer.PromptTokens);
        json.WriteNumber("prompt_eval_duration", Nanoseconds(timings.PromptMs));
        json.WriteNumber("eval_count", answer.CompletionTokens);
        json.WriteNumber("eval_duration", Nanoseconds(timings.PredictedMs));
        if (answer.Request.Prompt is not FittingPrompt { DroppedCount: > 0 and var dropped })
            return;
        json.WriteStartObject("kvasir");
        json.WriteNumber("dropped_messages", dropped);
        json.WriteEndObject();
    }

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    public static long Nanoseconds(double ms) => (long)(ms * NanosecondsPerMs);

    private static void WriteCalls(Utf8JsonWriter json, ServedCall[] calls)
    {
        if (calls.Length == 0)
            return;
        json.WriteStartArray("tool_calls");
        foreach (var call in calls)
        {
            json.WriteStartObject();
            json.WriteString("id", call.Id);
            json.WriteStartObject("function");
            json.WriteNumber("index", call.Index);
            json.WriteString("name", call.Name);
            json.WritePropertyName("arguments");
            json.WriteRawValue(call.ArgumentsLine);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
