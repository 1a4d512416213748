using System.Text.Json;
using Kvasir.Server.Errors;

namespace Kvasir.Server.OpenAi;

/// <summary>Errors as OpenAI's clients read them: all four fields are always there.</summary>
internal static class OpenAiErrors
{
    public static readonly ErrorShape Shape = new(static error => error.Kind.Status, Write, Words) { HasDone = true };

    // Agents know by these words that they have to shorten a conversation.
    private static string Words(Overflow overflow) =>
        $"This model's maximum context length is {overflow.ContextTokens} tokens. However, your prompt has {overflow.PromptTokens} tokens. "
        + "Please reduce the length of the messages.";

    private static void Write(Utf8JsonWriter json, RequestError error, string requestId, bool isInStream)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", error.Message);
        json.WriteString("type", error.Kind.Type);
        json.WriteString("param", string.IsNullOrEmpty(error.Param) ? null : error.Param);
        json.WriteString("code", error.Kind.Code);
        if (error.Overflow is { } overflow)
        {
            json.WriteNumber("n_prompt_tokens", overflow.PromptTokens);
            json.WriteNumber("n_ctx", overflow.ContextTokens);
        }

        if (error.Overflow?.Bytes is var (needed, limit))
        {
            json.WriteNumber("n_prompt_bytes", needed);
            json.WriteNumber("n_kv_bytes", limit);
        }

        if (isInStream)
            json.WriteNumber("status", error.Kind.Status);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
