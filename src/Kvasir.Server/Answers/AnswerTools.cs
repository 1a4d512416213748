using System.Text.Json.Nodes;
using Kvasir.Calls;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Answers;

/// <summary>Whether an answer calls.</summary>
internal enum ToolUse
{
    /// <summary>As the model likes.</summary>
    Free,

    /// <summary>It does not.</summary>
    Banned,

    /// <summary>It does nothing else.</summary>
    Required,
}

/// <summary>The tools of a request: what the template is told, and what may or must be called.</summary>
internal sealed record AnswerTools
{
    public static readonly AnswerTools None = new([]);

    private readonly IReadOnlyList<AnswerTool> _all;

    private AnswerTools(IReadOnlyList<AnswerTool> all) => (_all, Allowed) = (all, [.. all.Select(static tool => tool.Definition)]);

    public bool IsEmpty => _all.Count == 0;

    public ToolUse Use { get; init; }

    /// <summary>Those that may be called; the model may be told of more.</summary>
    public IReadOnlyList<ToolDefinition> Allowed { get; private init; }

    /// <summary>Whether there may be more than one call.</summary>
    public bool IsParallel { get; init; } = true;

    /// <summary>Whether an answer is looked through for calls.</summary>
    public bool AreLookedFor => !IsEmpty && Use != ToolUse.Banned;

    /// <param name="all">Each as OpenAI's dialect describes it to templates, whatever the request's dialect.</param>
    /// <param name="model">Has to know tools, where there are some.</param>
    /// <param name="place">Of the tools in the request.</param>
    /// <exception cref="RequestException">The model does not, or a name is there twice.</exception>
    public static AnswerTools Of(IReadOnlyList<AnswerTool> all, ServedModel model, string place)
    {
        if (all.Count == 0)
            return None;
        if (!model.Format.HasTools)
        {
            var problem = $"{model.Id} does not support tools: its chat template does not say how it calls them, and there are {all.Count}";
            throw new RequestException(ErrorKind.Unsupported, problem, place);
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        if (all.FirstOrDefault(tool => !names.Add(tool.Definition.Name)) is { } twice)
            throw new RequestException(ErrorKind.InvalidValue, $"{place} has the function '{RequestValue.Short(twice.Definition.Name)}' twice", place);
        return new AnswerTools(all);
    }

    /// <summary>The same tools, of which only these may be called.</summary>
    /// <param name="names">All of them are there.</param>
    public AnswerTools Only(IReadOnlyCollection<string> names) => this with { Allowed = [.. Allowed.Where(tool => names.Contains(tool.Name))] };

    /// <summary>
    /// For the template; null for no tools. It is told of all, whatever must be called, so that the prompt begins as before. Only where the model is free to
    /// call is it told of those alone that it may call.
    /// </summary>
    public JsonArray? Descriptions()
    {
        var told = _all.Where(tool => Use != ToolUse.Free || Allowed.Contains(tool.Definition)).Select(static tool => tool.Description.DeepClone()).ToArray();
        return told.Length > 0 ? new JsonArray(told) : null;
    }
}

/// <summary>A tool of a request.</summary>
/// <param name="Definition">What calls of it are held to.</param>
/// <param name="Description">For the template: <c>{type, function: {name, description, parameters}}</c>.</param>
internal sealed record AnswerTool(ToolDefinition Definition, JsonNode Description);
