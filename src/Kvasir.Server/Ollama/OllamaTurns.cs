using System.Globalization;
using System.Text.Json.Nodes;
using Kvasir.Server.Reading;
using Kvasir.Text;

namespace Kvasir.Server.Ollama;

/// <summary>
/// Messages of Ollama's dialect as turns of a template. Its clients may give calls no ids, where some templates want one: then a result is that of the first
/// call of its name that has none yet.
/// </summary>
internal sealed class OllamaTurns
{
    private const int MostMessages = 16_384;
    private const int MostCalls = 1024;
    private readonly TurnList _turns = new();
    private readonly List<ChatToolCall> _unanswered = [];
    private int _callCount;

    public IReadOnlyList<ChatTurn> Read(RequestValue messages)
    {
        foreach (var message in messages.Items(MostMessages))
            _turns.Add(Turn(message.Object()));
        return _turns.Count > 0 ? _turns.Join() : throw messages.Refused($"{messages.Path} is empty; it has at least one message");
    }

    private ChatTurn Turn(RequestFields message)
    {
        OllamaRoute.RefuseImages(message);
        var role = message.Require("role").Word("system", "user", "assistant", "tool");
        var turn = new ChatTurn(role, message.Find("content")?.Text() ?? "");
        if (role == "assistant")
            turn = turn with { ReasoningContent = message.Find("thinking")?.Text(), ToolCalls = Calls(message.Find("tool_calls")) };
        else if (role == "tool")
            turn = Result(turn, message);
        message.IgnoreRest();
        return turn;
    }

    private ChatTurn Result(ChatTurn turn, RequestFields message)
    {
        var (name, id) = (message.Find("tool_name", "name")?.Text(), message.Find("tool_call_id")?.Text());
        var at = _unanswered.FindIndex(call => id is not null ? call.Id == id : name is null || call.Name == name);
        if (at < 0)
            return turn with { Name = name, ToolCallId = id };
        var call = _unanswered[at];
        _unanswered.RemoveAt(at);
        return turn with { Name = call.Name, ToolCallId = call.Id };
    }

    private List<ChatToolCall>? Calls(RequestValue? calls)
    {
        if (calls is null || calls.Items(MostCalls) is not { Count: > 0 } items)
            return null;
        List<ChatToolCall> read = [.. items.Select(item => Call(item.Object()))];
        _unanswered.Clear();
        _unanswered.AddRange(read);
        return read;
    }

    private ChatToolCall Call(RequestFields call)
    {
        var function = call.Require("function").Object();
        function.Find("index");
        var arguments = function.Find("arguments");
        if (arguments is { IsObject: false })
            throw arguments.Wrong("an object");
        var id = call.Find("id")?.Text() is { Length: > 0 } given ? given : string.Create(CultureInfo.InvariantCulture, $"call_{_callCount:D9}");
        _callCount++;
        var read = new ChatToolCall(function.Require("name").Text(), arguments?.Node() ?? new JsonObject(), id);
        call.Find("type");
        function.IgnoreRest();
        call.IgnoreRest();
        return read;
    }
}
