using System.Text.Json.Nodes;
using Kvasir.Jinja.Values;

namespace Kvasir.Text;

/// <summary>Messages and JSON as template values, with the member names that chat templates expect.</summary>
internal static class ChatValues
{
    /// <summary>Absent members stay out of the map, so that `is defined` and `in` tell the truth; content alone is always there.</summary>
    public static JinjaMap Turn(ChatTurn turn)
    {
        var map = new JinjaMap { ["role"] = Role(turn.Role), ["content"] = Content(turn) };
        if (turn.Name is not null)
            map["name"] = turn.Name;
        if (turn.ReasoningContent is not null)
            map["reasoning_content"] = turn.ReasoningContent;
        if (turn.ToolCalls is not null)
            map["tool_calls"] = new JinjaList(ListKind.List, [.. turn.ToolCalls.Select(ToolCall)]);
        if (turn.ToolCallId is not null)
            map["tool_call_id"] = turn.ToolCallId;
        return map;
    }

    // A node may hold a .NET value or a parsed one; its text is the one form that both have.
    public static object Json(JsonNode? node) => node is null ? None.Value : JinjaJson.Read(node.ToJsonString());

    // Templates make tokens of roles ('<|' + role + '|>'), so that a word there is theirs; anything else is text that somebody sent.
    private static MarkedText Role(string role) => role.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') ? MarkedText.OfTemplate(role) : role;

    private static object Content(ChatTurn turn)
    {
        if (turn.Parts is null)
            return (object?)turn.Content ?? None.Value;
        return new JinjaList(ListKind.List, [.. turn.Parts.Select(Part)]);
    }

    private static JinjaMap Part(ChatPart part)
    {
        var map = new JinjaMap { ["type"] = part.Type };
        if (part.Text is not null)
            map["text"] = part.Text;
        return map;
    }

    private static JinjaMap ToolCall(ChatToolCall call)
    {
        var function = new JinjaMap { ["name"] = call.Name, ["arguments"] = Json(call.Arguments) };
        var map = new JinjaMap();
        if (call.Id is not null)
            map["id"] = call.Id;
        map["type"] = "function";
        map["function"] = function;
        return map;
    }
}
