using System.Text;
using Kvasir.Server.Hosting;
using Kvasir.Text;

namespace Kvasir.Server.Answers;

/// <summary>A conversation, which the model's template makes a prompt of. Control tokens are the template's alone: what a message spells is text.</summary>
internal sealed class ConversationPrompt(IReadOnlyList<ChatTurn> turns, ChatTemplateOptions options) : PromptSource
{
    // Templates may leave parts of a conversation out, but what is not longer than the context without them is computed all the same.
    public override long TextBytes => turns.Sum(static turn => (long)Encoding.UTF8.GetByteCount(turn.Content ?? ""));

    public override bool IsConversation => true;

    /// <summary>Places up to which the prompt is worth keeping.</summary>
    public IReadOnlyList<CachePoint> Points { get; init; } = [];

    public override IReadOnlyList<int[]> Encode(ServedModel model) => [model.Model.EncodeChat(model.Format.Fitted(turns), options, model.Template)];

    public override IReadOnlyList<KeptPrefix> Keeps(ServedModel model, ReadOnlyMemory<int> tokens)
    {
        var keeps = new List<KeptPrefix>();
        foreach (var point in Points)
        {
            if (Common(model, tokens.Span, point) is > 0 and var count)
                keeps.Add(new KeptPrefix(count, point.Time));
        }

        return keeps;
    }

    /// <summary>The text, for people to read.</summary>
    public string Render(ServedModel model)
    {
        var tokenizer = model.Model.Tokenizer;
        return model.Template!.Render(
            model.Format.Fitted(turns), options with { BeginText = Piece(tokenizer.BeginToken), EndText = Piece(tokenizer.EndToken) });

        string? Piece(int? token) => token is { } id ? tokenizer.Piece(id) : null;
    }

    // How many tokens stay the same whatever follows the place: a template may put anything anywhere, so it is asked with something else there.
    private int Common(ServedModel model, ReadOnlySpan<int> tokens, CachePoint point)
    {
        if (Otherwise(point) is not { } others)
            return tokens.Length;
        try
        {
            return tokens.CommonPrefixLength(model.Model.EncodeChat(model.Format.Fitted(others), options, model.Template));
        }
        catch (KvasirException)
        {
            // A template that will not have it otherwise does not say where the place is: nothing is kept for it, and the request is none the worse.
            return 0;
        }
    }

    // The conversation with other words behind the place; null where nothing is behind it.
    private ChatTurn[]? Otherwise(CachePoint point)
    {
        var (at, chars) = point.Turn < 0 ? (turns.TakeWhile(static turn => turn.Role == "system").Count(), 0)
            : point.Chars is { } inside && (inside < (turns[point.Turn].Content?.Length ?? 0) || turns[point.Turn].ToolCalls is not null)
                ? (point.Turn, inside) : (point.Turn + 1, 0);
        if (at >= turns.Count)
            return null;
        var (turn, content) = (turns[at], turns[at].Content ?? "");
        // Behind what joins blocks, which are then joined still.
        while (chars > 0 && chars < content.Length && content[chars] == '\n')
            chars++;
        ChatTurn[] others = [.. turns];
        others[at] = turn with
        {
            Content = content[..chars] + (content.AsSpan(chars).TrimStart().StartsWith("x") ? "y" : "x"),
            ReasoningContent = turn.ReasoningContent is null ? null : $"x{turn.ReasoningContent}",
            ToolCalls = turn.ToolCalls?.Select(static call => call with { Name = $"x{call.Name}" }).ToArray(),
        };
        return others;
    }
}
