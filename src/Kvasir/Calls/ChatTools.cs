using System.Text.Json.Nodes;
using Kvasir.Files;
using Microsoft.Extensions.AI;

namespace Kvasir.Calls;

/// <summary>The tools of a chat request: what the template is told, and what may or must be called.</summary>
internal sealed record ChatTools
{
    private static readonly ChatTools None = new();

    /// <summary>For the template, whatever may be called, so that the prompt's beginning stays the same; null for no tools.</summary>
    public JsonArray? Descriptions { get; private init; }

    /// <summary>Those that a call that must come may be of; else empty.</summary>
    public IReadOnlyList<ToolDefinition> Allowed { get; private init; } = [];

    public bool MustBeCalled => Allowed.Count > 0;

    /// <summary>Whether there are tools and none may be called.</summary>
    public bool AreBanned { get; private init; }

    public bool AreLookedFor => Descriptions is not null && !AreBanned;

    public bool IsParallel { get; private init; } = true;

    /// <exception cref="KvasirException">The model knows no tools, or one of them is no function, or one that must be called is not there.</exception>
    public static ChatTools Of(ChatOptions? options, AnswerFormat format, string model)
    {
        if (options?.Tools is not { Count: > 0 } tools)
            return None;
        if (!format.HasTools)
            throw new KvasirException(
                KvasirError.Unsupported, $"{model} does not support tools: its chat template does not say how it calls them, and {tools.Count} were given");
        var functions = tools.Select(Function).ToList();
        return new ChatTools
        {
            Descriptions = [.. functions.Select(Description)],
            Allowed = [.. Required(functions, options.ToolMode).Select(static function => new ToolDefinition(function.Name, function.JsonSchema.GetRawText()))],
            AreBanned = options.ToolMode is NoneChatToolMode,
            IsParallel = options.AllowMultipleToolCalls ?? true,
        };
    }

    private static AIFunctionDeclaration Function(AITool tool) => tool as AIFunctionDeclaration
        ?? throw new KvasirException(
            KvasirError.Unsupported, $"the tool '{MessageText.Line(tool.Name)}' is a {tool.GetType().Name}; only functions are supported");

    private static List<AIFunctionDeclaration> Required(List<AIFunctionDeclaration> functions, ChatToolMode? mode)
    {
        if (mode is not RequiredChatToolMode required)
            return [];
        if (required.RequiredFunctionName is not { } name)
            return functions;
        return functions.Find(function => function.Name == name) is { } found ? [found]
            : throw new KvasirException(
                KvasirError.BadOption, $"the function '{MessageText.Line(name)}' must be called, and is none of the {functions.Count} tools");
    }

    private static JsonNode Description(AIFunctionDeclaration function) => new JsonObject
    {
        ["type"] = "function",
        ["function"] = new JsonObject
        {
            ["name"] = function.Name,
            ["description"] = function.Description,
            ["parameters"] = JsonNode.Parse(function.JsonSchema.GetRawText()),
        },
    };
}
