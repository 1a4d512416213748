using System.Text;
using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;

namespace Kvasir.Server.Ollama;

/// <summary>An answer as lines, the last of which says how it ended. A call is one line, when it is complete, since its arguments are an object.</summary>
internal sealed class OllamaStream(ServedAnswer answer, FrameWriter frames, bool hasMessages) : AnswerWriter(answer)
{
    private readonly StringBuilder _arguments = new();
    private AnswerPiece? _call;

    public override TimeSpan? UntilKeepAlive => frames.UntilKeepAlive;

    public override Task BeginAsync() => frames.StartAsync();

    public override Task ProgressAsync() => Task.CompletedTask;

    public override Task KeepAliveAsync() => frames.KeepAliveAsync("");

    public override Task PieceAsync(Choice choice, AnswerPiece piece)
    {
        switch (piece.Kind)
        {
            case PieceKind.CallBegin:
                _call = piece;
                _arguments.Clear();
                return Task.CompletedTask;
            case PieceKind.CallArguments:
                _arguments.Append(piece.Text);
                return Task.CompletedTask;
            case PieceKind.CallEnd:
                return CallAsync(_call!);
            default:
                var json = Begin();
                if (piece.Kind == PieceKind.Reasoning)
                    OllamaJson.WriteText(json, hasMessages, "", piece.Text);
                else
                    OllamaJson.WriteText(json, hasMessages, piece.Text);
                return SendAsync(json);
        }
    }

    public override Task EndAsync(Choice choice) => Task.CompletedTask;

    public override Task FinishAsync()
    {
        var json = Begin();
        OllamaJson.WriteText(json, hasMessages, "");
        OllamaJson.WriteEnd(json, Answer);
        json.WriteEndObject();
        return frames.SendAsync();
    }

    public override Task FailAsync(RequestError error)
    {
        OllamaErrors.Shape.Write(frames.Begin(), error, frames.RequestId, isInStream: true);
        return frames.SendAsync();
    }

    private Task CallAsync(AnswerPiece call)
    {
        var json = Begin();
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", "");
        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        json.WriteString("id", call.CallId);
        json.WriteStartObject("function");
        json.WriteNumber("index", call.CallIndex);
        json.WriteString("name", call.Text);
        json.WritePropertyName("arguments");
        json.WriteRawValue(_arguments.Length == 0 ? "{}" : _arguments.ToString());
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        return SendAsync(json);
    }

    private Utf8JsonWriter Begin()
    {
        var json = frames.Begin();
        json.WriteStartObject();
        OllamaJson.WriteHead(json, Answer);
        return json;
    }

    private Task SendAsync(Utf8JsonWriter json)
    {
        json.WriteBoolean("done", false);
        json.WriteEndObject();
        return frames.SendAsync();
    }
}
