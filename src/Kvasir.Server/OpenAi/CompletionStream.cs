using Kvasir.Server.Answers;
using Kvasir.Server.Framing;

namespace Kvasir.Server.OpenAi;

/// <summary>Chunks of completions.</summary>
internal sealed class CompletionStream(ServedAnswer answer, SseFrames frames) : OpenAiStream(answer, frames)
{
    private readonly CompletionLogprobs[] _logprobs =
        [.. answer.Choices.Select(_ => new CompletionLogprobs(answer.Model.Model.Tokenizer, answer.Request.EchoesPrompt))];

    protected override string IdPrefix => "cmpl-";

    protected override string ObjectName => "text_completion";

    public override Task PieceAsync(Choice choice, AnswerPiece piece) => SendAsync(choice, piece, reason: null);

    public override Task EndAsync(Choice choice) => SendAsync(choice, new AnswerPiece(PieceKind.Text, "", []), FiguresJson.Finish(choice));

    private Task SendAsync(Choice choice, AnswerPiece piece, string? reason)
    {
        var json = BeginChunk();
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", choice.Index);
        json.WriteString("text", piece.Text);
        _logprobs[choice.Index].Write(json, piece.Tokens);
        json.WriteString("finish_reason", reason);
        json.WriteEndObject();
        json.WriteEndArray();
        return EndChunkAsync(json, isLast: reason is not null && Answer.HasEnded);
    }
}
