using System.Text.Json.Nodes;
using Kvasir.Calls;
using Kvasir.Server.Answers;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Anthropic;

/// <summary><c>tools</c> and <c>tool_choice</c> of a message, told to templates as OpenAI's dialect has them.</summary>
internal static class MessageTools
{
    private const int MostTools = 1024;
    private const int MostNameBytes = 256;

    /// <param name="isStrict">Whether keywords of every schema that are not supported are refused.</param>
    public static AnswerTools Read(RequestFields body, ServedModel model, bool isStrict)
    {
        var given = body.Find("tools");
        var tools = given is null ? AnswerTools.None : AnswerTools.Of(Functions(given, isStrict), model, $"{given.Path}");
        return body.Find("tool_choice")?.Object() is { } choice ? Chosen(tools, choice) : tools;
    }

    // What Anthropic's own servers do is nobody's here.
    private static List<AnswerTool> Functions(RequestValue tools, bool isStrict)
    {
        var functions = new List<AnswerTool>();
        foreach (var item in tools.Items(MostTools))
        {
            var tool = item.Object();
            if (tool.Find("type")?.Text() is null or "custom")
                functions.Add(Function(tool, isStrict));
            else
                item.Ignore();
        }

        return functions;
    }

    private static AnswerTool Function(RequestFields tool, bool isStrict)
    {
        // Read by whoever looks for places to keep.
        tool.Find("cache_control");
        var name = tool.Require("name").ShortText(MostNameBytes);
        var schema = tool.Require("input_schema");
        schema.Object();
        isStrict |= tool.Find("strict")?.Flag() ?? false;
        var function = new JsonObject { ["name"] = name };
        if (tool.Find("description")?.Text() is { } description)
            function["description"] = description;
        function["parameters"] = schema.Node();
        tool.IgnoreRest();
        var definition = new ToolDefinition(name, schema.Node().ToJsonString()) { IsStrict = isStrict };
        return new AnswerTool(definition, new JsonObject { ["type"] = "function", ["function"] = function });
    }

    private static AnswerTools Chosen(AnswerTools tools, RequestFields choice)
    {
        var type = choice.Require("type");
        var use = type.Word("auto", "any", "tool", "none") switch
        {
            "none" => ToolUse.Banned,
            "auto" => ToolUse.Free,
            _ => ToolUse.Required,
        };
        if (use == ToolUse.Required && tools.IsEmpty)
            throw type.Refused($"{type.Path} is '{type.Text()}', and there are no function tools");
        var isParallel = !(choice.Find("disable_parallel_tool_use")?.Flag() ?? false);
        if (type.Text() == "tool")
            // Who names a tool wants it called, and once.
            (tools, isParallel) = (Only(tools, choice.Require("name")), false);
        choice.IgnoreRest();
        return tools with { Use = use, IsParallel = isParallel };
    }

    private static AnswerTools Only(AnswerTools tools, RequestValue name) => tools.Allowed.Any(tool => tool.Name == name.Text())
        ? tools.Only([name.Text()])
        : throw name.Refused($"{name.Path} is '{RequestValue.Short(name.Text())}', which is none of the {tools.Allowed.Count} function tools");
}
