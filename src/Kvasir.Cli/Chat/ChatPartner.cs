using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;
using Kvasir.Text;

namespace Kvasir.Cli.Chat;

/// <summary>Who answers in a chat.</summary>
internal abstract class ChatPartner
{
    /// <summary>The most tokens of a conversation; null where that is not known.</summary>
    public abstract int? ContextTokens { get; }

    /// <summary>Answers the last turn, and hands the text on as it comes.</summary>
    /// <param name="turns">Oldest first.</param>
    /// <exception cref="KvasirException">The conversation is refused.</exception>
    public abstract ChatReply Reply(IReadOnlyList<ChatTurn> turns, Action<string> onText);
}

/// <summary>An answer in a chat, whole or as far as it came.</summary>
/// <param name="Text">That was handed on.</param>
/// <param name="Tokens">Of conversation and answer.</param>
/// <param name="Lines">Its figures for people.</param>
/// <param name="Json">Its figures for scripts; the number is the turn's, from 1.</param>
internal sealed record ChatReply(string Text, int Tokens, Func<IEnumerable<string>> Lines, Func<int, string> Json)
{
    /// <summary>Why it broke off, or null.</summary>
    public KvasirException? Failure { get; init; }

    /// <summary>Whether an interrupt ended it.</summary>
    public bool IsCancelled { get; init; }

    /// <summary>What is full, and how there is more of it; null where the answer ended otherwise.</summary>
    public string? Full { get; init; }

    /// <summary>How far attention was from dense attention; null where nobody asked.</summary>
    public string? Audit { get; init; }
}

/// <summary>An engine of this process.</summary>
internal sealed class EnginePartner(Shell shell, StartedEngine started, GenerationOptions options, bool quiet) : ChatPartner
{
    private readonly Engine _engine = started.Engine;

    public override int? ContextTokens => _engine.ContextTokens;

    public override ChatReply Reply(IReadOnlyList<ChatTurn> turns, Action<string> onText)
    {
        var sequence = new Sequence(_engine.Model.EncodeChat(turns), ToldText.Options(_engine.Model, GenerationFlags.Seeded(options)));
        var answer = Answer.Compute(shell, _engine, sequence, quiet, onText);
        return new ChatReply(
            answer.Text, sequence.TokenCount, () => AnswerFigures.Lines(started, answer), turn => ReportJson.Text(AnswerFigures.Report(_engine, answer, turn)))
        {
            Failure = sequence.Failure,
            IsCancelled = sequence.Finish == FinishReason.Cancelled,
            Audit = AnswerFigures.AuditLine(_engine, sequence),
            Full = sequence.Finish switch
            {
                FinishReason.ContextFull =>
                    $"the context of {_engine.ContextTokens} tokens is full ({sequence.PromptCount} of conversation, "
                        + $"{sequence.GeneratedCount} of answer), so the answer stops here; "
                    + "/clear begins a new conversation, --context allows a longer one",
                FinishReason.KvFull =>
                    $"the KV memory of {_engine.Plan.KvMemoryBytes} bytes is full ({sequence.PromptCount} tokens of conversation, "
                        + $"{sequence.GeneratedCount} of answer), so the answer stops here; "
                    + "/clear begins a new conversation, --kv-memory allows more",
                _ => null,
            },
        };
    }
}

/// <summary>A server.</summary>
/// <param name="model">The model's name there, or null for the only one.</param>
internal sealed class ServerPartner(Shell shell, RemoteServer server, TypedCommand typed, string? model, bool quiet) : ChatPartner
{
    public override int? ContextTokens => null;

    public override ChatReply Reply(IReadOnlyList<ChatTurn> turns, Action<string> onText)
    {
        var answer = RemoteAnswer.Ask(shell, server, "v1/chat/completions", RemoteRequest.Chat(typed, model, turns), quiet, onText);
        return new ChatReply(
            answer.Text, answer.PromptTokens + answer.GeneratedTokens, answer.Lines, turn => ReportJson.Text(answer.Report(server.Address, turn)))
        {
            Failure = answer.Failure,
            IsCancelled = answer.IsCancelled,
            Full = answer.FinishReason is "contextFull" or "kvFull"
                ? $"the server has no room for more ({answer.PromptTokens} tokens of conversation, {answer.GeneratedTokens} of answer), "
                    + "so the answer stops here; /clear begins a new conversation"
                : null,
        };
    }
}
