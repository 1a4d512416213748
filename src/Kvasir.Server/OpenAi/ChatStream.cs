using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Framing;

namespace Kvasir.Server.OpenAi;

/// <summary>Chunks of a chat. A choice's first has the role beside the first text: whoever measures takes the first chunk for the first token.</summary>
internal sealed class ChatStream(ServedAnswer answer, SseFrames frames) : OpenAiStream(answer, frames)
{
    protected override string IdPrefix => "chatcmpl-";

    protected override string ObjectName => "chat.completion.chunk";

    public override Task PieceAsync(Choice choice, AnswerPiece piece)
    {
        if (piece.Kind == PieceKind.CallEnd)
            return Task.CompletedTask;
        var json = BeginChoice(choice);
        if (!choice.HasBegun)
            WriteRole(json, piece);
        if (piece.Kind is PieceKind.CallBegin or PieceKind.CallArguments)
            ChatCalls.Write(json, piece);
        else
            json.WriteString(piece.Kind == PieceKind.Reasoning ? "reasoning_content" : "content", piece.Text);
        json.WriteEndObject();
        ChatLogprobs.Write(json, Answer.Model.Model.Tokenizer, piece.Tokens);
        return EndChoiceAsync(json, reason: null);
    }

    public override async Task EndAsync(Choice choice)
    {
        if (!choice.HasBegun)
            await PieceAsync(choice, new AnswerPiece(PieceKind.Text, "", [])).ConfigureAwait(false);
        var json = BeginChoice(choice);
        json.WriteEndObject();
        json.WriteNull("logprobs");
        await EndChoiceAsync(json, FiguresJson.Finish(choice)).ConfigureAwait(false);
    }

    private static void WriteRole(Utf8JsonWriter json, AnswerPiece piece)
    {
        json.WriteString("role", "assistant");
        if (piece.Kind != PieceKind.Text)
            json.WriteNull("content");
    }

    private Utf8JsonWriter BeginChoice(Choice choice)
    {
        var json = BeginChunk();
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", choice.Index);
        json.WriteStartObject("delta");
        return json;
    }

    private Task EndChoiceAsync(Utf8JsonWriter json, string? reason)
    {
        json.WriteString("finish_reason", reason);
        json.WriteEndObject();
        json.WriteEndArray();
        return EndChunkAsync(json, isLast: reason is not null && Answer.HasEnded);
    }
}
