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
        var before = body.Find("context") is { } context ? TokenPrompts.Read(context.Items(int.MaxValue), model) : [];
        var question = GapPrompt.Find(body, model) ?? Question(body, model, tools);
        return before.Length > 0 ? new ContinuedPrompt(before, question) : question;
    }

    protected override bool IsEmpty(RequestFields body) => body.Find("prompt") is not { } prompt || (prompt.IsText && prompt.Text().Length == 0);

    private static PromptSource Question(RequestFields body, ServedModel model, AnswerTools tools)
    {
        var prompt = body.Require("prompt").ShortText(int.MaxValue);
        if (body.Find("raw")?.Flag() is true || model.Template is null)
            return new TextPrompts([prompt]);
        List<ChatTurn> turns = [new ChatTurn("user", prompt)];
        if (body.Find("system")?.Text() is { Length: > 0 } system)
            turns.Insert(0, new ChatTurn("system", system));
        return new ConversationPrompt(turns, TemplateOptions(body, tools, continues: false));
    }
}
