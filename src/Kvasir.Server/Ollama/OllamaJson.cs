using System.Globalization;
using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Hosting;
using Kvasir.Server.OpenAi;

namespace Kvasir.Server.Ollama;

/// <summary>What lines and whole answers are made of.</summary>
internal static class OllamaJson
{
    private const double NanosecondsPerMs = 1e6;
    private const int MostContextTokens = 8192;

    public static void WriteHead(Utf8JsonWriter json, ServedAnswer answer) => WriteHead(json, answer.Model.Id, answer.CreatedAt);

    public static void WriteHead(Utf8JsonWriter json, string model, DateTimeOffset time)
    {
        json.WriteString("model", model);
        json.WriteString("created_at", Time(time));
    }

    /// <param name="tokens">None writes nothing.</param>
    public static void WriteLogprobs(Utf8JsonWriter json, ServedAnswer answer, IReadOnlyList<GeneratedToken> tokens)
    {
        if (tokens.Count > 0)
            ChatLogprobs.WriteList(json, answer.Model.Model.Tokenizer, tokens);
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
    /// <param name="hasMessages">Whether conversations are told by messages; else by the tokens of all that was said.</param>
    public static void WriteEnd(Utf8JsonWriter json, ServedAnswer answer, bool hasMessages)
    {
        var timings = new AnswerTimings(answer);
        json.WriteBoolean("done", true);
        json.WriteString("done_reason", answer.Choices[0].IsCut ? "length" : "stop");
        json.WriteNumber("total_duration", Nanoseconds(answer.ElapsedMs));
        json.WriteNumber("load_duration", Nanoseconds(timings.LoadMs));
        json.WriteNumber("prompt_eval_count", answer.PromptTokens);
        json.WriteNumber("prompt_eval_duration", Nanoseconds(timings.PromptMs));
        json.WriteNumber("eval_count", answer.CompletionTokens);
        json.WriteNumber("eval_duration", Nanoseconds(timings.PredictedMs));
        if (!hasMessages)
            WriteContext(json, answer.Choices[0]);
        if (answer.Request.Prompt is not FittingPrompt { DroppedCount: > 0 and var dropped })
            return;
        json.WriteStartObject("kvasir");
        json.WriteNumber("dropped_messages", dropped);
        json.WriteEndObject();
    }

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    public static long Nanoseconds(double ms) => (long)(ms * NanosecondsPerMs);

    // A longer one would be more than the answer.
    private static void WriteContext(Utf8JsonWriter json, Choice choice)
    {
        var tokens = choice.Sequence.Tokens;
        tokens = tokens[..Math.Min(tokens.Length, choice.PromptTokens + choice.TokenCount)];
        if (tokens.Length > MostContextTokens)
            return;
        json.WriteStartArray("context");
        foreach (var token in tokens)
            json.WriteNumberValue(token);
        json.WriteEndArray();
    }

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
