using System.Text.Json.Nodes;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Kvasir.Text;

namespace Kvasir.Server.Responses;

/// <summary>
/// Instructions and input of a response as turns of a template. What the model thought, said and called are items of their own there, and one turn here.
/// </summary>
internal sealed class InputItems
{
    private const int MostItems = 16_384;
    private const int MostParts = 4096;
    private readonly TurnList _turns = new();
    private readonly Dictionary<string, string> _names = [];
    private ChatTurn? _open;

    public IReadOnlyList<ChatTurn> Read(RequestValue? instructions, RequestValue input)
    {
        if (instructions?.Text() is { Length: > 0 } text)
            _turns.Add(new ChatTurn("system", text));
        if (input.IsText)
        {
            _turns.Add(new ChatTurn("user", input.Text()));
            return _turns.Join();
        }

        if (!input.IsList)
            throw input.Wrong("a string or a list of items");
        foreach (var item in input.Items(MostItems))
            Add(item.Object());
        Close();
        var turns = _turns.Join();
        return turns.Any(static turn => turn.Role != "system")
            ? turns
            : throw input.Refused($"{input.Path} has no message beside the system's; it has at least one");
    }

    private void Add(RequestFields item)
    {
        var type = item.Find("type");
        // Items that a response has come back as they were.
        item.Find("id");
        item.Find("status");
        switch (type?.Text() ?? "message")
        {
            case "message":
                AddMessage(item);
                break;
            case "reasoning":
                AddReasoning(item);
                break;
            case "function_call":
                AddCall(item);
                break;
            case "function_call_output":
                AddResult(item);
                break;
            case var other:
                throw type!.Unsupported(
                    $"{type.Path} is '{RequestValue.Short(other)}'; message, reasoning, function_call and function_call_output are read here");
        }

        item.IgnoreRest();
    }

    private void AddMessage(RequestFields item)
    {
        var role = item.Require("role").Word("user", "assistant", "system", "developer");
        var text = Texts(item.Require("content"), "input_text", "output_text", "text", "refusal");
        if (role == "assistant")
        {
            if (_open is { Content: not null } or { ToolCalls: not null })
                Close();
            _open = (_open ?? new ChatTurn("assistant", null)) with { Content = text };
            return;
        }

        Close();
        _turns.Add(new ChatTurn(role == "developer" ? "system" : role, text));
    }

    private void AddReasoning(RequestFields item)
    {
        // Sealed for others' servers: nobody reads it here.
        item.Find("encrypted_content");
        var (content, summary) = (item.Find("content"), item.Find("summary"));
        var text = content is null ? "" : Texts(content, "reasoning_text");
        if (text.Length == 0 && summary is not null)
            text = Texts(summary, "summary_text");
        if (text.Length == 0)
            return;
        Close();
        _open = new ChatTurn("assistant", null) { ReasoningContent = text };
    }

    private void AddCall(RequestFields item)
    {
        var (id, name) = (item.Require("call_id").Text(), item.Require("name").Text());
        _names[id] = name;
        var call = new ChatToolCall(name, item.Find("arguments") is { } arguments ? MessageFields.Arguments(arguments) : new JsonObject(), id);
        _open ??= new ChatTurn("assistant", null);
        if (_open.ToolCalls is not List<ChatToolCall> calls)
            _open = _open with { ToolCalls = calls = [] };
        calls.Add(call);
    }

    private void AddResult(RequestFields item)
    {
        Close();
        var id = item.Require("call_id").Text();
        var text = Texts(item.Require("output"), "input_text", "output_text", "text");
        _turns.Add(new ChatTurn("tool", text) { ToolCallId = id, Name = _names.GetValueOrDefault(id) });
    }

    private void Close()
    {
        if (_open is not null)
            _turns.Add(_open);
        _open = null;
    }

    private static string Texts(RequestValue content, params ReadOnlySpan<string> known)
    {
        if (content.IsText)
            return content.Text();
        if (!content.IsList)
            throw content.Wrong("a string or a list of parts");
        var texts = new List<string>();
        foreach (var item in content.Items(MostParts))
        {
            var part = item.Object();
            var type = part.Require("type");
            if (!known.Contains(type.Text()))
                throw type.Unsupported($"{type.Path} is '{RequestValue.Short(type.Text())}'; {string.Join(", ", known!)} are read here");
            texts.Add(part.Require(type.Text() == "refusal" ? "refusal" : "text").Text());
            part.Find("annotations");
            part.Find("logprobs");
            part.IgnoreRest();
        }

        return string.Join('\n', texts);
    }
}
