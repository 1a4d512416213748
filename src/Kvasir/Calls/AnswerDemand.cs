using System.Globalization;
using System.Text;

namespace Kvasir.Calls;

/// <summary>What an answer has to be: JSON of a schema, calls of tools, or either of both.</summary>
public sealed record AnswerDemand
{
    /// <summary>Any JSON object.</summary>
    public static AnswerDemand AnyObject { get; } = new() { Schema = """{"type":"object"}""" };

    /// <summary>A JSON schema; null where the answer is to call tools.</summary>
    public string? Schema { get; init; }

    /// <summary>Whether keywords of <see cref="Schema"/> that are not supported are refused.</summary>
    public bool IsStrict { get; init; }

    /// <summary>Tools that may be called; empty for none.</summary>
    public IReadOnlyList<ToolDefinition> Tools { get; init; } = [];

    /// <summary>Whether there may be more than one call.</summary>
    public bool IsParallel { get; init; } = true;

    /// <summary>How the model calls, and marks what it thinks; null where neither matters.</summary>
    public AnswerFormat? Format { get; init; }

    /// <summary>Whether the prompt ended with the mark that opens what the model thinks.</summary>
    public bool BeginsInReasoning { get; init; }

    /// <summary>Says all of it.</summary>
    internal string Key()
    {
        var key = new StringBuilder();
        key.Append(
            CultureInfo.InvariantCulture,
            $"{IsStrict} {IsParallel} {BeginsInReasoning} {Format?.HasChannels} {Format?.Calls} {Format?.Reasoning} {Schema?.Length ?? -1} {Schema}");
        foreach (var tool in Tools)
            key.Append(CultureInfo.InvariantCulture, $" {tool.Name.Length} {tool.Name} {tool.IsStrict} {tool.Parameters.Length} {tool.Parameters}");
        return key.ToString();
    }
}

/// <summary>A function that a model may call.</summary>
/// <param name="Name">As the model calls it.</param>
/// <param name="Parameters">A JSON schema of its arguments, which are an object.</param>
public sealed record ToolDefinition(string Name, string Parameters = """{"type":"object","properties":{}}""")
{
    /// <summary>Whether keywords of <see cref="Parameters"/> that are not supported are refused.</summary>
    public bool IsStrict { get; init; }
}
