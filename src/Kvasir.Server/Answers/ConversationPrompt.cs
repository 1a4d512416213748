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

    public override IReadOnlyList<int[]> Encode(ServedModel model) => [model.Model.EncodeChat(model.Format.Fitted(turns), options, model.Template)];

    /// <summary>The text, for people to read.</summary>
    public string Render(ServedModel model)
    {
        var tokenizer = model.Model.Tokenizer;
        return model.Template!.Render(
            model.Format.Fitted(turns), options with { BeginText = Piece(tokenizer.BeginToken), EndText = Piece(tokenizer.EndToken) });

        string? Piece(int? token) => token is { } id ? tokenizer.Piece(id) : null;
    }
}
