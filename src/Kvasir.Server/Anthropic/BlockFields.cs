using System.Text.Json.Nodes;
using Kvasir.Server.Errors;
using Kvasir.Server.Reading;
using Kvasir.Text;

namespace Kvasir.Server.Anthropic;

/// <summary>Messages made of blocks, and the system's text beside them, as turns of a template.</summary>
/// <param name="keepsBillingHeader">
/// Whether the line stays that one client begins its system's text with. Its hash differs in every request, and no prefix would be found again.
/// </param>
/// <param name="points">Told of blocks that end what is worth keeping.</param>
internal sealed class BlockFields(bool keepsBillingHeader, CachePoints points)
{
    private const int MostMessages = 16_384;
    private const int MostBlocks = 4096;
    private const string BillingHeader = "x-anthropic-billing-header:";
    private readonly TurnList _turns = new();
    private readonly Dictionary<string, string> _toolNames = [];

    public IReadOnlyList<ChatTurn> Read(RequestValue? system, RequestValue messages)
    {
        if (system is not null)
            AddSystem(system);
        var given = messages.Items(MostMessages);
        if (given.Count == 0)
            throw messages.Refused($"{messages.Path} is empty; it has at least one message");
        foreach (var message in given)
            Add(message.Object());
        return _turns.Join();
    }

    private void Add(RequestFields message)
    {
        var role = message.Require("role").Word("user", "assistant", "system");
        var content = message.Require("content");
        message.IgnoreRest();
        if (role == "system")
            AddSystem(content);
        else if (role == "assistant")
            AddAssistant(content);
        else
            AddUser(content);
    }

    private void AddSystem(RequestValue content)
    {
        var (turn, before) = _turns.IsSystemOpen ? (0, _turns.SystemLength) : (_turns.Count, 0);
        var (texts, length) = (new List<string>(), 0);
        foreach (var (block, said) in Texts(content))
        {
            if (Kept(said) is { Length: > 0 } text)
            {
                length += text.Length + (texts.Count > 0 ? 1 : 0);
                texts.Add(text);
            }

            if (block is not null)
                points.Read(block, turn, length == 0 ? Math.Max(0, before - TurnList.Between.Length) : before + length);
            block?.IgnoreRest();
        }

        if (texts.Count > 0)
            _turns.Add(new ChatTurn("system", string.Join('\n', texts)));
    }

    // Results of tools are turns of their own, and stay where they were among the user's words.
    private void AddUser(RequestValue content)
    {
        if (content.IsText)
        {
            _turns.Add(new ChatTurn("user", content.Text()));
            return;
        }

        var words = new List<string>();
        var before = _turns.Count;
        foreach (var block in Blocks(content))
        {
            var fields = block.Object();
            if (Kind(fields, "text", "tool_result") == "text")
            {
                words.Add(fields.Require("text").Text());
                points.Read(fields, _turns.Count, Length(words));
            }
            else
            {
                AddWords(words);
                _turns.Add(Result(fields));
                points.Read(fields, _turns.Count - 1, null);
            }

            fields.IgnoreRest();
        }

        AddWords(words);
        if (_turns.Count == before)
            throw content.Refused($"{content.Path} is empty; it has at least one block");
    }

    private void AddWords(List<string> words)
    {
        if (words.Count > 0)
            _turns.Add(new ChatTurn("user", string.Join('\n', words)));
        words.Clear();
    }

    private ChatTurn Result(RequestFields fields)
    {
        var id = fields.Require("tool_use_id").Text();
        var text = fields.Find("content") is { } content ? string.Join('\n', Texts(content).Select(Said)) : "";
        var isError = fields.Find("is_error")?.Flag() is true;
        return new ChatTurn("tool", isError ? $"Error: {text}" : text) { ToolCallId = id, Name = _toolNames.GetValueOrDefault(id) };
    }

    private void AddAssistant(RequestValue content)
    {
        if (content.IsText)
        {
            _turns.Add(new ChatTurn("assistant", content.Text()));
            return;
        }

        var (words, thoughts, calls) = (new List<string>(), new List<string>(), new List<ChatToolCall>());
        foreach (var block in Blocks(content))
        {
            var fields = block.Object();
            switch (Kind(fields, "text", "thinking", "redacted_thinking", "tool_use"))
            {
                case "text":
                    words.Add(fields.Require("text").Text());
                    points.Read(fields, _turns.Count, Length(words));
                    break;
                case "thinking":
                    thoughts.Add(fields.Require("thinking").Text());
                    fields.Find("signature");
                    break;
                case "tool_use":
                    calls.Add(Call(fields));
                    points.Read(fields, _turns.Count, null);
                    break;
                default:
                    block.Ignore();
                    continue;
            }

            fields.IgnoreRest();
        }

        _turns.Add(new ChatTurn("assistant", words.Count > 0 || calls.Count == 0 ? string.Join('\n', words) : null)
        {
            ReasoningContent = thoughts.Count > 0 ? string.Join('\n', thoughts) : null,
            ToolCalls = calls.Count > 0 ? calls : null,
        });
    }

    private ChatToolCall Call(RequestFields fields)
    {
        var (id, name) = (fields.Require("id").Text(), fields.Require("name").Text());
        _toolNames[id] = name;
        var input = fields.Find("input");
        if (input is { IsObject: false })
            throw input.Wrong("an object");
        return new ChatToolCall(name, input?.Node() ?? new JsonObject(), id);
    }

    // In a tool's result, which is the next turn.
    private string Said((RequestFields? Block, string Text) part)
    {
        if (part.Block is { } block)
        {
            points.Read(block, _turns.Count, null);
            block.IgnoreRest();
        }

        return part.Text;
    }

    // Of texts joined by line ends.
    private static int Length(List<string> texts) => texts.Sum(static text => text.Length) + texts.Count - 1;

    // With the blocks that they are in, of which more may be asked.
    private static IEnumerable<(RequestFields? Block, string Text)> Texts(RequestValue content)
    {
        if (content.IsText)
            return [(null, content.Text())];
        return Blocks(content).Select(static block =>
        {
            var fields = block.Object();
            Kind(fields, "text");
            return ((RequestFields?)fields, fields.Require("text").Text());
        });
    }

    private static IReadOnlyList<RequestValue> Blocks(RequestValue content) =>
        content.IsList ? content.Items(MostBlocks) : throw content.Wrong("a string or a list of blocks");

    private static string Kind(RequestFields block, params ReadOnlySpan<string> known)
    {
        var type = block.Require("type");
        return known.Contains(type.Text()) ? type.Text()
            : throw type.Unsupported($"{type.Path} is '{RequestValue.Short(type.Text())}'; {string.Join(", ", known!)} are read here");
    }

    private string Kept(string text)
    {
        if (keepsBillingHeader || !text.StartsWith(BillingHeader, StringComparison.Ordinal))
            return text;
        var end = text.IndexOf('\n', StringComparison.Ordinal);
        return end < 0 ? "" : text[(end + 1)..].TrimStart('\n');
    }
}
