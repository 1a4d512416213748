using System.Text.Json.Nodes;

namespace Kvasir.Text;

/// <summary>One message of a conversation, as chat templates read it.</summary>
/// <param name="Role">Who speaks: system, user, assistant, tool, or whatever else the template knows.</param>
/// <param name="Content">The text; null where there is none, as in an answer that only calls tools.</param>
public sealed record ChatTurn(string Role, string? Content)
{
    /// <summary>Content in parts, in place of <see cref="Content"/>; templates see a list of maps with type and text.</summary>
    public IReadOnlyList<ChatPart>? Parts { get; init; }

    /// <summary>The speaker's or the tool's name.</summary>
    public string? Name { get; init; }

    /// <summary>What the model thought before it answered; templates see it as reasoning_content.</summary>
    public string? ReasoningContent { get; init; }

    /// <summary>The tools that the model asked for.</summary>
    public IReadOnlyList<ChatToolCall>? ToolCalls { get; init; }

    /// <summary>In a tool's answer: the <see cref="ChatToolCall.Id"/> of its call.</summary>
    public string? ToolCallId { get; init; }
}

/// <summary>One part of a message.</summary>
/// <param name="Type">text, or what else the template knows (a name only: pictures and sound are not read).</param>
/// <param name="Text">The text; null for parts that have none.</param>
public sealed record ChatPart(string Type, string? Text);

/// <summary>A call that the model asked for.</summary>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">The arguments, a JSON object; or text, for the few templates that want it unparsed.</param>
/// <param name="Id">What its answer refers to; null where the model gives none.</param>
public sealed record ChatToolCall(string Name, JsonNode? Arguments, string? Id = null);
