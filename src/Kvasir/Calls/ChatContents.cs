using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kvasir.Calls;

/// <summary>Parts of an answer as a chat client has them: text and reasoning as they come, calls when they are complete.</summary>
internal sealed class ChatContents(AnswerSplitter splitter)
{
    private readonly StringBuilder _arguments = new();
    private AnswerPart _call;

    public bool IsOver => splitter.IsOver;

    /// <summary>Whether there were calls, and all are complete.</summary>
    public bool HasCalls => splitter is { CallCount: > 0, CallsAreComplete: true };

    /// <summary>Tokens that were read, up to its end.</summary>
    public int TokenCount { get; private set; }

    /// <summary>Of these, what the model thought, with the marks around it.</summary>
    public int ReasoningTokens { get; private set; }

    /// <param name="token">-1 for text that waited for no token.</param>
    public IEnumerable<AIContent> Push(int token, string text)
    {
        var thinks = splitter.IsReasoning;
        var parts = splitter.Push(text);
        if (token >= 0)
            TokenCount++;
        if (token >= 0 && (thinks || splitter.IsReasoning))
            ReasoningTokens++;
        return parts.Select(Content).OfType<AIContent>();
    }

    /// <summary>The rest; of a call that was cut, its arguments as far as they came, as text that nobody takes for a call.</summary>
    public IEnumerable<AIContent> Finish()
    {
        foreach (var content in splitter.Finish().Select(Content).OfType<AIContent>())
            yield return content;
        if (!splitter.CallsAreComplete)
        {
            var cut = new AdditionalPropertiesDictionary { ["kvasir.cut_call"] = _call.Text };
            yield return new TextContent(_arguments.ToString()) { AdditionalProperties = cut };
        }
    }

    private AIContent? Content(AnswerPart part)
    {
        switch (part.Kind)
        {
            case AnswerPartKind.Content:
                return new TextContent(part.Text);
            case AnswerPartKind.Reasoning:
                return new TextReasoningContent(part.Text);
            case AnswerPartKind.CallBegin:
                _arguments.Clear();
                _call = part;
                return null;
            case AnswerPartKind.CallArguments:
                _arguments.Append(part.Text);
                return null;
            default:
                return FunctionCallContent.CreateFromParsedArguments(_arguments.ToString(), _call.CallId!, _call.Text, Parsed);
        }
    }

    private static Dictionary<string, object?> Parsed(string arguments)
    {
        using var document = JsonDocument.Parse(arguments);
        return document.RootElement.EnumerateObject().ToDictionary(static property => property.Name, static property => (object?)property.Value.Clone());
    }
}
