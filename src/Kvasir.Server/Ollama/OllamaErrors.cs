using System.Text.Json;
using Kvasir.Server.Errors;

namespace Kvasir.Server.Ollama;

/// <summary>Errors as Ollama's clients read them: a string, in a stream too, where an object would end them with a fault of their own.</summary>
internal static class OllamaErrors
{
    public static readonly ErrorShape Shape = new(static error => error.Kind.Status, Write, Words);

    // Agents know by these words that they have to shorten a conversation.
    private static string Words(Overflow overflow) =>
        $"prompt too long; exceeded max context length by {overflow.PromptTokens - overflow.ContextTokens + overflow.AnswerTokens} tokens: "
        + $"it has {overflow.PromptTokens} of {overflow.ContextTokens}{(overflow.AnswerTokens > 0 ? ", and an answer takes 1 or more" : "")}";

    private static void Write(Utf8JsonWriter json, RequestError error, string requestId, bool isInStream)
    {
        json.WriteStartObject();
        json.WriteString("error", error.Message);
        json.WriteEndObject();
    }
}
