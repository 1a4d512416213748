using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.OpenAi;

namespace Kvasir.Server.Anthropic;

/// <summary>A message whole, and the parts that a stream has in common with it.</summary>
internal static class MessageJson
{
    public static string NewId() => $"msg_{AnswerName.Fresh()}";

    public static void WriteWhole(Utf8JsonWriter json, ServedAnswer answer)
    {
        var choice = answer.Choices[0];
        json.WriteStartObject();
        WriteHead(json, NewId(), answer);
        json.WriteStartArray("content");
        if (choice.Reasoning.Length > 0)
        {
            json.WriteStartObject();
            json.WriteString("type", "thinking");
            json.WriteString("thinking", choice.Reasoning);
            json.WriteString("signature", "");
            json.WriteEndObject();
        }

        if (choice.TextWithCut is { Length: > 0 } text)
        {
            json.WriteStartObject();
            json.WriteString("type", "text");
            json.WriteString("text", text);
            json.WriteNull("citations");
            json.WriteEndObject();
        }

        foreach (var call in choice.Calls.Where(static call => call.IsComplete))
        {
            json.WriteStartObject();
            WriteCallHead(json, call.Id, call.Name);
            json.WritePropertyName("input");
            json.WriteRawValue(call.ArgumentsLine);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteStop(json, choice);
        json.WriteNull("container");
        WriteUsage(json, answer, answer.CompletionTokens);
        json.WriteEndObject();
    }

    /// <summary>Up to the content.</summary>
    public static void WriteHead(Utf8JsonWriter json, string id, ServedAnswer answer)
    {
        json.WriteString("id", id);
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", answer.Model.Id);
    }

    /// <summary>Of a block, up to the call's input.</summary>
    public static void WriteCallHead(Utf8JsonWriter json, string callId, string name)
    {
        json.WriteString("type", "tool_use");
        json.WriteString("id", $"toolu_{callId.Split('_')[^1]}");
        json.WriteString("name", name);
    }

    /// <param name="choice">Null while it goes on.</param>
    public static void WriteStop(Utf8JsonWriter json, Choice? choice)
    {
        json.WriteString("stop_reason", choice?.Finish switch
        {
            null => null,
            FinishReason.Length or FinishReason.KvFull => "max_tokens",
            FinishReason.ContextFull => "model_context_window_exceeded",
            FinishReason.Stop => "stop_sequence",
            _ => choice.HasWholeCalls ? "tool_use" : "end_turn",
        });
        json.WriteString("stop_sequence", choice?.MatchedStop);
        json.WriteNull("stop_details");
    }

    /// <summary>Here tokens that were there, and those that are there for the next, are no input tokens: clients add the three up.</summary>
    public static void WriteUsage(Utf8JsonWriter json, ServedAnswer answer, int outputTokens)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", answer.PromptTokens - answer.ToldCachedTokens - answer.ToldCacheWriteTokens);
        json.WriteNumber("output_tokens", outputTokens);
        json.WriteNumber("cache_read_input_tokens", answer.ToldCachedTokens);
        json.WriteNumber("cache_creation_input_tokens", answer.ToldCacheWriteTokens);
        // Clients add the two up to what is above; what no mark reaches is there as long as nobody needs the memory.
        var lasting = answer.ToldCacheWriteTokensKept(CachePoints.Long);
        json.WriteStartObject("cache_creation");
        json.WriteNumber("ephemeral_5m_input_tokens", answer.ToldCacheWriteTokens - lasting);
        json.WriteNumber("ephemeral_1h_input_tokens", lasting);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
