using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Server.Errors;
using Kvasir.Server.Reading;
using Kvasir.Text;

namespace Kvasir.Server.OpenAi;

/// <summary>The messages of a chat as turns of a template.</summary>
internal static class MessageFields
{
    private const int MostMessages = 16_384;
    private const int MostParts = 4096;
    private const int MostCalls = 1024;

    public static IReadOnlyList<ChatTurn> Read(RequestValue messages)
    {
        var turns = new TurnList();
        foreach (var message in messages.Items(MostMessages))
            turns.Add(Turn(message.Object()));
        return turns.Count > 0 ? turns.Join() : throw messages.Refused($"{messages.Path} is empty; it has at least one message");
    }

    /// <summary>A string with an object, which templates want read; what a model wrote that is none stays text.</summary>
    public static JsonNode Arguments(RequestValue arguments)
    {
        if (arguments.IsObject)
            return arguments.Node();
        var text = arguments.Text();
        if (text.Length == 0)
            return new JsonObject();
        try
        {
            // Its texts are taken apart when a template reads them, which half a character does not survive.
            HalfCharacters.Refuse(Encoding.UTF8.GetBytes(text));
            return JsonNode.Parse(text) as JsonObject ?? (JsonNode)JsonValue.Create(text);
        }
        catch (Exception problem) when (problem is JsonException or RequestException)
        {
            return JsonValue.Create(text);
        }
    }

    private static ChatTurn Turn(RequestFields message)
    {
        var role = message.Require("role").Word("system", "developer", "user", "assistant", "tool");
        message.Refuse("function_call", "function_call was replaced by tool_calls");
        var calls = role == "assistant" ? Calls(message.Find("tool_calls")) : null;
        var refusal = role == "assistant" ? message.Find("refusal")?.Text() : null;
        var reasoning = role == "assistant" ? message.Find("reasoning_content", "reasoning")?.Text() : null;
        // What was cut before anything was said is a thought alone.
        var content = message.Find("content") is { } given ? Content(given) : refusal ?? (reasoning is not null && calls is null ? "" : null);
        if (content is null && calls is null)
            throw new RequestException(ErrorKind.InvalidValue, $"{message.Path.Member("content")} is missing", $"{message.Path.Member("content")}");
        var turn = new ChatTurn(role == "developer" ? "system" : role, content)
        {
            Name = message.Find("name")?.Text(),
            ReasoningContent = reasoning,
            ToolCalls = calls,
            ToolCallId = role == "tool" ? message.Find("tool_call_id")?.Text() : null,
        };
        message.IgnoreRest();
        return turn;
    }

    private static string Content(RequestValue content)
    {
        if (content.IsText)
            return content.Text();
        return content.IsList ? string.Join('\n', content.Items(MostParts).Select(Part)) : throw content.Wrong("a string or a list of parts");
    }

    private static string Part(RequestValue value)
    {
        var part = value.Object();
        var type = part.Require("type");
        if (type.Text() is not ("text" or "refusal") and var other)
            throw type.Unsupported($"{type.Path} is '{RequestValue.Short(other)}'; only text is read here");
        var text = part.Require(type.Text()).Text();
        part.IgnoreRest();
        return text;
    }

    private static List<ChatToolCall>? Calls(RequestValue? calls)
    {
        if (calls is null || calls.Items(MostCalls) is not { Count: > 0 } items)
            return null;
        return [.. items.Select(static item => Call(item.Object()))];
    }

    private static ChatToolCall Call(RequestFields call)
    {
        call.Find("type")?.Word("function");
        call.Find("index");
        var function = call.Require("function").Object();
        var arguments = function.Find("arguments");
        var read = new ChatToolCall(function.Require("name").Text(), arguments is null ? new JsonObject() : Arguments(arguments), call.Find("id")?.Text());
        function.IgnoreRest();
        call.IgnoreRest();
        return read;
    }
}
