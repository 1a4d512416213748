using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Text;
using Microsoft.Extensions.AI;

namespace Kvasir.Calls;

/// <summary>Messages of a chat client as turns of a template.</summary>
internal static class ChatMessages
{
    public static List<ChatTurn> Turns(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        var turns = new List<ChatTurn>();
        if (!string.IsNullOrEmpty(options?.Instructions))
            turns.Add(new ChatTurn("system", options.Instructions));
        var index = 0;
        foreach (var message in messages)
        {
            if (message is null)
                throw new ArgumentException($"message {index} is null", nameof(messages));
            if (string.IsNullOrEmpty(message.Role.Value))
                throw new KvasirException(KvasirError.BadOption, $"message {index} has no role");
            RequireKnown(message, index++);
            // Each result is a turn of its own.
            var results = message.Contents.OfType<FunctionResultContent>().ToList();
            if (results.Count == 0 || message.Text.Length > 0)
                turns.Add(Turn(message));
            turns.AddRange(results.Select(static result => new ChatTurn("tool", Text(result.Result)) { ToolCallId = result.CallId }));
        }

        return turns;
    }

    private static void RequireKnown(ChatMessage message, int index)
    {
        foreach (var content in message.Contents)
        {
            if (content is not (TextContent or TextReasoningContent or FunctionCallContent or FunctionResultContent))
                throw new KvasirException(
                    KvasirError.Unsupported,
                    $"message {index} has {content?.GetType().Name ?? "a content that is null"}; only text, reasoning, calls and their results are supported");
        }
    }

    private static ChatTurn Turn(ChatMessage message)
    {
        var calls = message.Contents.OfType<FunctionCallContent>().Select(Call).ToList();
        var reasoning = string.Concat(message.Contents.OfType<TextReasoningContent>().Select(static content => content.Text));
        return new ChatTurn(message.Role.Value, calls.Count > 0 && message.Text.Length == 0 ? null : message.Text)
        {
            Name = message.AuthorName,
            ToolCalls = calls.Count > 0 ? calls : null,
            ReasoningContent = reasoning.Length > 0 ? reasoning : null,
        };
    }

    private static ChatToolCall Call(FunctionCallContent call)
    {
        var arguments = new JsonObject();
        foreach (var (name, value) in call.Arguments ?? new Dictionary<string, object?>())
            arguments[name] = value is null ? null : JsonNode.Parse(Json(value));
        return new ChatToolCall(call.Name, arguments, call.CallId);
    }

    private static string Text(object? result) => result switch
    {
        null => "null",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } element => element.GetString()!,
        _ => Json(result),
    };

    private static string Json(object value) => JsonSerializer.Serialize(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType()));
}
