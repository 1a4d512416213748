using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;

namespace Kvasir.Server.Ollama;

/// <summary>An answer as lines, the last of which says how it ended. A call is one line, when it is complete, since its arguments are an object.</summary>
internal sealed class OllamaStream(ServedAnswer answer, FrameWriter frames, bool hasMessages) : AnswerWriter(answer)
{
    public override TimeSpan? UntilKeepAlive => frames.UntilKeepAlive;

    public override Task BeginAsync() => frames.StartAsync();

    public override Task ProgressAsync() => Task.CompletedTask;

    public override Task KeepAliveAsync() => frames.KeepAliveAsync("");

    public override Task PieceAsync(Choice choice, AnswerPiece piece)
    {
        switch (piece.Kind)
        {
            case PieceKind.CallBegin or PieceKind.CallArguments:
                return Task.CompletedTask;
            case PieceKind.CallEnd:
                return SendAsync("", piece, calls: [choice.Calls[piece.CallIndex]]);
            case PieceKind.Reasoning:
                return SendAsync("", piece, piece.Text);
            default:
                return SendAsync(piece.Text, piece);
        }
    }

    public override Task EndAsync(Choice choice) =>
        choice.TextWithCut is { } text && text.Length > choice.Text.Length ? SendAsync(text[choice.Text.Length..]) : Task.CompletedTask;

    public override Task FinishAsync()
    {
        var json = Begin();
        OllamaJson.WriteText(json, hasMessages, "");
        OllamaJson.WriteEnd(json, Answer, hasMessages);
        json.WriteEndObject();
        return frames.SendAsync();
    }

    public override Task FailAsync(RequestError error) => OllamaErrors.Shape.EndAsync(frames, error);

    private Utf8JsonWriter Begin()
    {
        var json = frames.Begin();
        json.WriteStartObject();
        OllamaJson.WriteHead(json, Answer);
        return json;
    }

    private Task SendAsync(string text, AnswerPiece? piece = null, string thinking = "", IReadOnlyList<ServedCall>? calls = null)
    {
        var json = Begin();
        OllamaJson.WriteText(json, hasMessages, text, thinking, calls);
        OllamaJson.WriteLogprobs(json, Answer, piece?.Tokens ?? []);
        json.WriteBoolean("done", false);
        json.WriteEndObject();
        return frames.SendAsync();
    }
}
