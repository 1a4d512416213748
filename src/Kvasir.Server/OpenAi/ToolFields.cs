using System.Text.Json.Nodes;
using Kvasir.Calls;
using Kvasir.Server.Answers;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;

namespace Kvasir.Server.OpenAi;

/// <summary>
/// <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c> of a chat; and of a response, where what says something of a function stands beside its
/// type, one level higher.
/// </summary>
internal sealed class ToolFields
{
    private const int MostTools = 1024;
    private const int MostNameBytes = 256;

    private readonly bool _isFlat;

    private ToolFields(bool isFlat) => _isFlat = isFlat;

    /// <param name="isStrict">Whether keywords of every schema that are not supported are refused.</param>
    public static AnswerTools Read(RequestFields body, ServedModel model, bool isStrict) => new ToolFields(isFlat: false).All(body, model, isStrict);

    /// <summary>Of a response.</summary>
    public static AnswerTools ReadFlat(RequestFields body, ServedModel model, bool isStrict) => new ToolFields(isFlat: true).All(body, model, isStrict);

    /// <summary>The functions among a response's tools, as they are.</summary>
    public static IEnumerable<RequestValue> Flat(RequestFields body) =>
        body.Find("tools")?.Items(MostTools).Where(static item => item.Object().Require("type").Text() == "function") ?? [];

    private AnswerTools All(RequestFields body, ServedModel model, bool isStrict)
    {
        var given = body.Find("tools");
        var tools = given is null ? AnswerTools.None : AnswerTools.Of(Functions(given, isStrict), model, $"{given.Path}");
        if (body.Find("tool_choice") is { } choice)
            tools = choice.IsText ? Used(tools, choice) : Chosen(tools, choice);
        return body.Find("parallel_tool_calls") is { } parallel ? tools with { IsParallel = parallel.Flag() } : tools;
    }

    // Tools that are no functions are the client's own affair, as long as it asks for none of them.
    private List<AnswerTool> Functions(RequestValue tools, bool isStrict)
    {
        var functions = new List<AnswerTool>();
        foreach (var item in tools.Items(MostTools))
        {
            var tool = item.Object();
            if (tool.Require("type").Text() == "function")
                functions.Add(Function(item, Within(tool, "function"), isStrict));
            else
                item.Ignore();
        }

        return functions;
    }

    private AnswerTool Function(RequestValue item, RequestFields function, bool isStrict)
    {
        var name = function.Require("name").ShortText(MostNameBytes);
        isStrict |= function.Find("strict")?.Flag() ?? false;
        var definition = new ToolDefinition(name);
        if (function.Find("parameters") is { } parameters)
        {
            parameters.Object();
            definition = definition with { Parameters = parameters.Node().ToJsonString() };
        }

        // Templates know a function one level deeper.
        var description = item.Node();
        if (_isFlat)
            description = new JsonObject { ["type"] = "function", ["function"] = description };
        return new AnswerTool(definition with { IsStrict = isStrict }, description);
    }

    private static AnswerTools Used(AnswerTools tools, RequestValue choice) => choice.Word("none", "auto", "required") switch
    {
        "none" => tools with { Use = ToolUse.Banned },
        "required" when tools.IsEmpty => throw choice.Refused($"{choice.Path} is 'required', and there are no function tools"),
        "required" => tools with { Use = ToolUse.Required },
        _ => tools,
    };

    private AnswerTools Chosen(AnswerTools tools, RequestValue choice)
    {
        var fields = choice.Object();
        var type = fields.Require("type");
        var chosen = type.Text() switch
        {
            // Who names a function wants it called, and once.
            "function" => Only(tools, [Name(fields)]) with { Use = ToolUse.Required, IsParallel = false },
            "allowed_tools" => Allowed(tools, Within(fields, "allowed_tools")),
            var other => throw type.Unsupported($"{type.Path} is '{RequestValue.Short(other)}'; function and allowed_tools are supported"),
        };
        if (!_isFlat)
            fields.IgnoreRest();
        return chosen;
    }

    private AnswerTools Allowed(AnswerTools tools, RequestFields allowed)
    {
        var use = allowed.Require("mode").Word("auto", "required") == "required" ? ToolUse.Required : ToolUse.Free;
        var given = allowed.Require("tools");
        var names = given.Items(MostTools).Select(item =>
        {
            var tool = item.Object();
            var type = tool.Require("type");
            var isFunction = type.Text() == "function";
            return isFunction ? Name(tool) : throw type.Unsupported($"{type.Path} is '{RequestValue.Short(type.Text())}'; only functions are supported");
        }).ToList();
        allowed.IgnoreRest();
        return names.Count > 0 ? Only(tools, names) with { Use = use } : throw given.Refused($"{given.Path} is empty; it names at least one function");
    }

    private RequestValue Name(RequestFields tool) => Within(tool, "function").Require("name");

    private RequestFields Within(RequestFields fields, string name) => _isFlat ? fields : fields.Require(name).Object();

    private static AnswerTools Only(AnswerTools tools, List<RequestValue> names)
    {
        if (names.Find(name => tools.Allowed.All(tool => tool.Name != name.Text())) is { } unknown)
            throw unknown.Refused($"{unknown.Path} is '{RequestValue.Short(unknown.Text())}', which is none of the {tools.Allowed.Count} function tools");
        return tools.Only([.. names.Select(static name => name.Text())]);
    }
}
