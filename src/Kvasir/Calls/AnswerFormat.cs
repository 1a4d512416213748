using System.Text;
using System.Text.Json.Nodes;
using Kvasir.Text;

namespace Kvasir.Calls;

/// <summary>
/// How a model answers: the words in which it calls tools, and the marks around what it thinks. Found by rendering a conversation with a call through its
/// template: what stands around the call there is what the model was trained to write.
/// </summary>
public sealed class AnswerFormat
{
    private const string Called = "kvasir_called";
    private const string Defined = "kvasir_defined";
    private const int TailTokens = 8;
    private static readonly ReasoningMarks[] KnownMarks = [new("<think>", "</think>"), new("[THINK]", "[/THINK]"), new("<seed:think>", "</seed:think>")];
    private static readonly ReasoningMarks ChannelMarks = new($"{ChannelText.Channel}{ChannelText.Analysis}{ChannelText.Message}", ChannelText.End);
    private readonly bool _needsShortIds;

    private AnswerFormat(CallSyntax? calls, ReasoningMarks? reasoning, bool needsShortIds, bool hasChannels, Tokenizer tokenizer)
    {
        (Calls, Reasoning, _needsShortIds, HasChannels) = (calls, reasoning, needsShortIds, hasChannels);
        OpeningToken = calls is { Open.Length: > 0 } ? tokenizer.Find(calls.Open) : null;
        string?[] marks = hasChannels ? [.. ChannelText.Marks] : [calls?.Open, calls?.Close, reasoning?.Open, reasoning?.Close];
        ShownControls =
        [
            .. marks.Where(static mark => !string.IsNullOrEmpty(mark)).Select(mark => tokenizer.Find(mark!)).OfType<int>().Where(tokenizer.IsControl),
        ];
    }

    /// <summary>Whether the template tells the model of tools, and how it calls them is known.</summary>
    public bool HasTools => Calls is not null;

    /// <summary>Whether the model marks what it thinks.</summary>
    public bool HasReasoning => Reasoning is not null;

    /// <summary>The token that opens a call, where it is one: banned, there are none. Null where calls begin like other text.</summary>
    public int? OpeningToken { get; }

    /// <summary>Marks that are control tokens: <see cref="GenerationOptions.ShownControls"/> has to have them.</summary>
    public IReadOnlyList<int> ShownControls { get; }

    /// <summary>Whether an answer is messages, each behind a header that names its channel (harmony).</summary>
    public bool HasChannels { get; }

    internal CallSyntax? Calls { get; }

    internal ReasoningMarks? Reasoning { get; }

    /// <summary>Looks at a template, which may be null, and a vocabulary.</summary>
    public static AnswerFormat Of(ChatTemplate? template, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var reasoning = Array.Find(KnownMarks, marks => tokenizer.Find(marks.Close) is not null);
        if (template is null)
            return new AnswerFormat(null, reasoning, false, false, tokenizer);
        var hasChannels = ProbeChannels(template, tokenizer);
        if (hasChannels)
            reasoning = ChannelMarks;
        var calls = Probe(template, tokenizer, "call_0123456789abcdefghijklmn");
        var needsShortIds = calls is null;
        calls ??= Probe(template, tokenizer, "kvasir001");
        return new AnswerFormat(calls, reasoning, needsShortIds && calls is not null, hasChannels, tokenizer);
    }

    /// <summary>Turns as the template takes them: some refuse ids of calls that are not nine letters and digits.</summary>
    public IReadOnlyList<ChatTurn> Fitted(IReadOnlyList<ChatTurn> turns)
    {
        ArgumentNullException.ThrowIfNull(turns);
        return !_needsShortIds ? turns : [.. turns.Select(static turn => turn with
        {
            ToolCallId = Short(turn.ToolCallId),
            ToolCalls = turn.ToolCalls is null ? null : [.. turn.ToolCalls.Select(static call => call with { Id = Short(call.Id) })],
        })];
    }

    /// <summary>Whether a prompt ends with the mark that opens what the model thinks, so that the answer begins behind it.</summary>
    public bool OpensReasoning(ReadOnlySpan<int> prompt, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (Reasoning is null)
            return false;
        var tail = new List<byte>();
        foreach (var token in prompt[Math.Max(0, prompt.Length - TailTokens)..])
            tail.AddRange(tokenizer.IsControl(token) ? Encoding.UTF8.GetBytes(tokenizer.Piece(token)) : tokenizer.Bytes(token));
        return Encoding.UTF8.GetString([.. tail]).TrimEnd().EndsWith(Reasoning.Open, StringComparison.Ordinal);
    }

    /// <summary>
    /// Of texts that end an answer those that are names of control tokens, which are no text: the engine looks for them, and whoever takes the answer apart
    /// for the others.
    /// </summary>
    public static IReadOnlyList<string> ControlStops(IReadOnlyList<string> stops, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(stops);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return [.. stops.Where(stop => stop is not null && tokenizer.Find(stop) is { } token && tokenizer.IsControl(token))];
    }

    private static string? Short(string? id) =>
        id is null || id.Length == 9 ? id
        : string.Concat(id.Where(char.IsAsciiLetterOrDigit)) is var plain && plain.Length > 9 ? plain[^9..]
        : plain.PadLeft(9, '0');

    private static CallSyntax? Probe(ChatTemplate template, Tokenizer tokenizer, string id)
    {
        var parameters = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["key"] = new JsonObject { ["type"] = "string" } } };
        var function = new JsonObject { ["name"] = Defined, ["description"] = "none", ["parameters"] = parameters };
        var options = new ChatTemplateOptions
        {
            // Not as a collection expression: that adds by a generic method, which a binary compiled ahead of time cannot have.
            Tools = new JsonArray(new JsonObject { ["type"] = "function", ["function"] = function }),
            BeginText = tokenizer.BeginToken is { } begin ? tokenizer.Piece(begin) : null,
            EndText = tokenizer.EndToken is { } end ? tokenizer.Piece(end) : null,
        };
        ChatTurn[] turns =
        [
            new("user", "u"),
            new("assistant", null) { ToolCalls = [new ChatToolCall(Called, new JsonObject { ["key"] = "value" }, id)] },
            new("tool", "t") { ToolCallId = id, Name = Called },
        ];
        try
        {
            var (opening, whole) = (template.Render(turns[..1], options), template.Render(turns, options with { AddsGenerationPrompt = false }));
            return whole.Contains(Defined, StringComparison.Ordinal) ? Found(opening, whole) : null;
        }
        catch (KvasirException)
        {
            return null;
        }
    }

    // Whether an answer in a conversation stands behind a header of a channel, in marks that are control tokens.
    private static bool ProbeChannels(ChatTemplate template, Tokenizer tokenizer)
    {
        foreach (var mark in (ReadOnlySpan<string>)[ChannelText.Start, ChannelText.Channel, ChannelText.Message, ChannelText.End])
        {
            if (tokenizer.Find(mark) is not { } token || !tokenizer.IsControl(token))
                return false;
        }

        try
        {
            var options = new ChatTemplateOptions { AddsGenerationPrompt = false };
            var whole = template.Render([new ChatTurn("user", "u"), new ChatTurn("assistant", Called)], options);
            return whole.Contains($"{ChannelText.Channel}final{ChannelText.Message}{Called}", StringComparison.Ordinal);
        }
        catch (KvasirException)
        {
            return false;
        }
    }

    private static CallSyntax? Found(string opening, string whole)
    {
        if (whole.Contains($" to={ChannelText.Functions}{Called}{ChannelText.Channel}", StringComparison.Ordinal))
            return new CallSyntax(CallFamily.Channel, "", "", "");
        var at = whole.IndexOf(Called, StringComparison.Ordinal);
        var start = at < 0 ? -1 : whole.LastIndexOf('{', at);
        if (start < 0)
            return null;
        // Between the opening of the answer, or what it shares with the whole, and the object.
        var before = whole[Math.Min(start, opening.AsSpan().CommonPrefixLength(whole))..start];
        var behind = whole[start..Math.Min(whole.Length, start + 400)];
        var key = behind.Contains("\"parameters\"", StringComparison.Ordinal) ? "parameters" : "arguments";
        if (!behind.Contains($"\"{key}\"", StringComparison.Ordinal))
            return null;
        if (before.Contains("<tool_call>", StringComparison.Ordinal))
            return new CallSyntax(CallFamily.Tagged, "<tool_call>", "</tool_call>", key);
        if (before.Contains("[TOOL_CALLS]", StringComparison.Ordinal))
            return new CallSyntax(CallFamily.List, "[TOOL_CALLS]", "", key);
        return before.AsSpan().Trim().IsEmpty ? new CallSyntax(CallFamily.Bare, "", "", key) : null;
    }
}

/// <summary>How a family of models writes calls.</summary>
internal enum CallFamily
{
    /// <summary>A JSON object between two marks, for each call (Hermes, Qwen).</summary>
    Tagged,

    /// <summary>The answer is a JSON object that has a name and arguments (Llama 3).</summary>
    Bare,

    /// <summary>A JSON list of objects behind a mark (Mistral).</summary>
    List,

    /// <summary>A message for the function, which is its arguments (gpt-oss).</summary>
    Channel,
}

/// <summary>The words in which a model calls tools.</summary>
/// <param name="Family">How they are put.</param>
/// <param name="Open">Mark in front; empty for none.</param>
/// <param name="Close">Mark behind; empty for none.</param>
/// <param name="ArgumentsKey">What the object calls its arguments.</param>
internal sealed record CallSyntax(CallFamily Family, string Open, string Close, string ArgumentsKey);

/// <summary>Marks around what a model thinks before it answers.</summary>
internal sealed record ReasoningMarks(string Open, string Close);
