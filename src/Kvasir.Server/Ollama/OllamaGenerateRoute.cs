using Kvasir.Server.Answers;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;
using Kvasir.Text;

namespace Kvasir.Server.Ollama;

/// <summary><c>POST /api/generate</c>: a question without a conversation, through the template unless it is raw.</summary>
internal sealed class OllamaGenerateRoute : OllamaRoute
{
    protected override bool HasMessages => false;

    protected override AnswerTools Tools(RequestFields body, ServedModel model)
    {
        body.Refuse("tools", "tools are called by /api/chat");
        return AnswerTools.None;
    }

    protected override PromptSource Prompt(RequestFields body, ServedModel model, AnswerTools tools, int? fits)
    {
        if (body.Find("context") is { } context && context.Items(int.MaxValue).Count > 0)
            throw context.Unsupported($"{context.Path}: a conversation goes on by /api/chat");
        var prompt = body.Require("prompt").ShortText(int.MaxValue);
        if (body.Find("raw")?.Flag() is true || model.Template is null)
            return new TextPrompts([prompt]);
        List<ChatTurn> turns = [new ChatTurn("user", prompt)];
        if (body.Find("system")?.Text() is { Length: > 0 } system)
            turns.Insert(0, new ChatTurn("system", system));
        return new ConversationPrompt(turns, TemplateOptions(body, tools, continues: false));
    }
}
