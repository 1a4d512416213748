using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Ollama;

/// <summary><c>POST /api/chat</c>.</summary>
internal sealed class OllamaChatRoute : OllamaRoute
{
    protected override bool HasMessages => true;

    // As OpenAI's dialect has them.
    protected override AnswerTools Tools(RequestFields body, ServedModel model) => ToolFields.Read(body, model, isStrict: false);

    protected override bool IsEmpty(RequestFields body) =>
        body.Find("messages") is not { } messages || (messages.IsList && messages.Items(int.MaxValue).Count == 0);

    protected override PromptSource Prompt(RequestFields body, ServedModel model, AnswerTools tools, int? fits)
    {
        if (model.Template is null)
            throw new RequestException(ErrorKind.Unsupported, $"{model.Id} has no chat template, so it completes text only: POST /api/generate");
        var turns = new OllamaTurns().Read(body.Require("messages"));
        var options = TemplateOptions(body, tools, continues: turns[^1] is { Role: "assistant", Content.Length: > 0, ToolCalls: null });
        return fits is { } most ? new FittingPrompt(turns, options, most) : new ConversationPrompt(turns, options);
    }
}
