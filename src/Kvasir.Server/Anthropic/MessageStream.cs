using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;

namespace Kvasir.Server.Anthropic;

/// <summary>
/// A message as named events: its start, blocks one behind the other, each with a start, deltas and a stop, then how it ended. Clients take a block's index for
/// its place, so none is left out.
/// </summary>
internal sealed class MessageStream(ServedAnswer answer, FrameWriter frames) : AnswerWriter(answer)
{
    private readonly string _id = MessageJson.NewId();
    private int _index = -1;
    private PieceKind? _open;

    public override TimeSpan? UntilKeepAlive => frames.UntilKeepAlive;

    public override async Task BeginAsync()
    {
        await frames.StartAsync().ConfigureAwait(false);
        var json = Begin("message_start");
        json.WriteStartObject("message");
        MessageJson.WriteHead(json, _id, Answer);
        json.WriteStartArray("content");
        json.WriteEndArray();
        MessageJson.WriteStop(json, choice: null);
        json.WriteNull("container");
        MessageJson.WriteUsage(json, Answer, outputTokens: 0);
        json.WriteEndObject();
        await SendAsync(json).ConfigureAwait(false);
        await KeepAliveAsync().ConfigureAwait(false);
    }

    public override Task ProgressAsync() => Task.CompletedTask;

    public override Task KeepAliveAsync() => SendAsync(Begin("ping"));

    public override Task PieceAsync(Choice choice, AnswerPiece piece) => piece.Kind switch
    {
        PieceKind.CallBegin => OpenAsync(piece),
        PieceKind.CallEnd => CloseAsync(),
        PieceKind.CallArguments => DeltaAsync("input_json_delta", "partial_json", piece.Text),
        PieceKind.Reasoning => TextAsync(piece, "thinking_delta", "thinking"),
        _ => TextAsync(piece, "text_delta", "text"),
    };

    public override async Task EndAsync(Choice choice)
    {
        await CloseAsync().ConfigureAwait(false);
        var json = Begin("message_delta");
        json.WriteStartObject("delta");
        MessageJson.WriteStop(json, choice);
        json.WriteNull("container");
        json.WriteEndObject();
        MessageJson.WriteUsage(json, Answer, Answer.CompletionTokens);
        await SendAsync(json).ConfigureAwait(false);
    }

    public override Task FinishAsync() => SendAsync(Begin("message_stop"));

    public override Task FailAsync(RequestError error) => AnthropicErrors.Shape.EndAsync(frames, error);

    private async Task TextAsync(AnswerPiece piece, string delta, string field)
    {
        if (piece.Text.Length == 0)
            return;
        if (_open != piece.Kind)
            await OpenAsync(piece).ConfigureAwait(false);
        await DeltaAsync(delta, field, piece.Text).ConfigureAwait(false);
    }

    private async Task OpenAsync(AnswerPiece piece)
    {
        await CloseAsync().ConfigureAwait(false);
        _index++;
        _open = piece.Kind;
        var json = Begin("content_block_start");
        json.WriteNumber("index", _index);
        json.WriteStartObject("content_block");
        WriteEmpty(json, piece);
        json.WriteEndObject();
        await SendAsync(json).ConfigureAwait(false);
    }

    private static void WriteEmpty(Utf8JsonWriter json, AnswerPiece piece)
    {
        switch (piece.Kind)
        {
            case PieceKind.CallBegin:
                MessageJson.WriteCallHead(json, piece.CallId!, piece.Text);
                json.WriteStartObject("input");
                json.WriteEndObject();
                break;
            case PieceKind.Reasoning:
                json.WriteString("type", "thinking");
                json.WriteString("thinking", "");
                json.WriteString("signature", "");
                break;
            default:
                json.WriteString("type", "text");
                json.WriteString("text", "");
                json.WriteNull("citations");
                break;
        }
    }

    private async Task CloseAsync()
    {
        if (_open is not { } kind)
            return;
        if (kind == PieceKind.Reasoning)
            await DeltaAsync("signature_delta", "signature", "").ConfigureAwait(false);
        _open = null;
        var json = Begin("content_block_stop");
        json.WriteNumber("index", _index);
        await SendAsync(json).ConfigureAwait(false);
    }

    private Task DeltaAsync(string type, string field, string text)
    {
        var json = Begin("content_block_delta");
        json.WriteNumber("index", _index);
        json.WriteStartObject("delta");
        json.WriteString("type", type);
        json.WriteString(field, text);
        json.WriteEndObject();
        return SendAsync(json);
    }

    private Utf8JsonWriter Begin(string name)
    {
        var json = frames.Begin(name);
        json.WriteStartObject();
        json.WriteString("type", name);
        return json;
    }

    private Task SendAsync(Utf8JsonWriter json)
    {
        json.WriteEndObject();
        return frames.SendAsync();
    }
}
