using System.Text.Json.Nodes;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Kvasir.Text;

namespace Kvasir.Server.Ollama;

/// <summary><c>POST /api/chat</c>.</summary>
internal sealed class OllamaChatRoute : OllamaRoute
{
    private const int MostMessages = 16_384;
    private const int MostCalls = 1024;

    protected override bool HasMessages => true;

    protected override PromptSource Prompt(RequestFields body, ServedModel model, int? fits)
    {
        if (model.Template is null)
            throw new RequestException(ErrorKind.Unsupported, $"{model.Id} has no chat template, so it completes text only: POST /api/generate");
        var messages = body.Require("messages");
        var turns = new List<ChatTurn>();
        foreach (var message in messages.Items(MostMessages))
        {
            var turn = Turn(message.Object());
            // Most templates take one system message.
            if (turn.Role == "system" && turns is [{ Role: "system" } first])
                turns[0] = first with { Content = $"{first.Content}\n\n{turn.Content}" };
            else
                turns.Add(turn);
        }

        if (turns.Count == 0)
            throw messages.Refused($"{messages.Path} is empty; it has at least one message");
        var options = TemplateOptions(body, continues: turns[^1] is { Role: "assistant", Content.Length: > 0, ToolCalls: null });
        return fits is { } most ? new FittingPrompt(turns, options, most) : new ConversationPrompt(turns, options);
    }

    private static ChatTurn Turn(RequestFields message)
    {
        RefuseImages(message);
        var role = message.Require("role").Word("system", "user", "assistant", "tool");
        var turn = new ChatTurn(role, message.Find("content")?.Text() ?? "")
        {
            Name = role == "tool" ? message.Find("tool_name", "name")?.Text() : null,
            ReasoningContent = role == "assistant" ? message.Find("thinking")?.Text() : null,
            ToolCalls = role == "assistant" ? Calls(message.Find("tool_calls")) : null,
            ToolCallId = role == "tool" ? message.Find("tool_call_id")?.Text() : null,
        };
        message.IgnoreRest();
        return turn;
    }

    private static List<ChatToolCall>? Calls(RequestValue? calls) =>
        calls is null || calls.Items(MostCalls) is not { Count: > 0 } items ? null : [.. items.Select(static item => Call(item.Object()))];

    private static ChatToolCall Call(RequestFields call)
    {
        var function = call.Require("function").Object();
        function.Find("index");
        var arguments = function.Find("arguments");
        if (arguments is { IsObject: false })
            throw arguments.Wrong("an object");
        var read = new ChatToolCall(function.Require("name").Text(), arguments?.Node() ?? new JsonObject(), call.Find("id")?.Text());
        function.IgnoreRest();
        call.IgnoreRest();
        return read;
    }
}
