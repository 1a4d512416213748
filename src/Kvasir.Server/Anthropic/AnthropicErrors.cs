using System.Text.Json;
using Kvasir.Server.Errors;

namespace Kvasir.Server.Anthropic;

/// <summary>Errors as Anthropic's clients read them. Overload has a status of its own, at which they come back later.</summary>
internal static class AnthropicErrors
{
    public static readonly ErrorShape Shape = new(static error => error.Kind.AnthropicStatus ?? error.Kind.Status, Write, Words) { EventName = "error" };

    // Agents know by these words that they have to shorten a conversation.
    private static string Words(Overflow overflow) => $"prompt is too long: {overflow.PromptTokens} tokens > {overflow.ContextTokens} maximum";

    private static void Write(Utf8JsonWriter json, RequestError error, string requestId, bool isInStream)
    {
        json.WriteStartObject();
        json.WriteString("type", "error");
        json.WriteStartObject("error");
        json.WriteString("type", error.Kind.AnthropicType);
        json.WriteString("message", error.Message);
        json.WriteEndObject();
        json.WriteString("request_id", requestId);
        json.WriteEndObject();
    }
}
