using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.OpenAi;
using Kvasir.Text;

namespace Kvasir.Server.Responses;

/// <summary>
/// A response as named events, numbered without gaps: that it was created, items one behind the other, and the response with all of them. Agents show what
/// the last events of an item have, and break on events that they do not know, so that there are no others.
/// </summary>
internal sealed class ResponseStream(ServedAnswer answer, FrameWriter frames) : AnswerWriter(answer)
{
    private readonly ResponseBody _body = new(answer);
    private ResponseItem? _open;
    private int _number;

    public override TimeSpan? UntilKeepAlive => frames.UntilKeepAlive;

    private Tokenizer Tokenizer => Answer.Model.Model.Tokenizer;

    public override async Task BeginAsync()
    {
        await frames.StartAsync().ConfigureAwait(false);
        await SendBodyAsync("response.created", _body.Write).ConfigureAwait(false);
        await SendBodyAsync("response.in_progress", _body.Write).ConfigureAwait(false);
    }

    public override Task ProgressAsync() => Task.CompletedTask;

    public override Task KeepAliveAsync() => frames.KeepAliveAsync("ping");

    public override async Task PieceAsync(Choice choice, AnswerPiece piece)
    {
        if (piece.Kind == PieceKind.CallEnd)
        {
            await CloseAsync(isCut: false).ConfigureAwait(false);
            return;
        }

        if (piece.Kind == PieceKind.CallBegin)
        {
            await OpenAsync(new ResponseItem(piece.Kind, piece.Text, piece.CallId!)).ConfigureAwait(false);
            return;
        }

        if (piece.Text.Length == 0 && piece.Tokens.Count == 0)
            return;
        if (piece.Kind != PieceKind.CallArguments && _open?.Kind != piece.Kind)
            await OpenAsync(new ResponseItem(piece.Kind)).ConfigureAwait(false);
        await DeltaAsync(_open!, piece).ConfigureAwait(false);
    }

    public override async Task EndAsync(Choice choice)
    {
        // An output without an item would be no answer.
        if (_body.ItemCount == 0)
            await OpenAsync(new ResponseItem(PieceKind.Text)).ConfigureAwait(false);
        await CloseAsync(choice.IsCut).ConfigureAwait(false);
        await SendBodyAsync(choice.IsCut ? "response.incomplete" : "response.completed", json => _body.WriteEnd(json, choice)).ConfigureAwait(false);
    }

    public override Task FinishAsync() => Task.CompletedTask;

    public override Task FailAsync(RequestError error) => SendBodyAsync("response.failed", json => _body.WriteFailed(json, error));

    private async Task OpenAsync(ResponseItem item)
    {
        // A call that another item follows was none in the end.
        await CloseAsync(isCut: _open?.Kind == PieceKind.CallBegin).ConfigureAwait(false);
        _open = _body.Add(item);
        await SendItemAsync("response.output_item.added", item).ConfigureAwait(false);
        if (item.Kind == PieceKind.Text)
            await SendPartAsync("response.content_part.added", item).ConfigureAwait(false);
    }

    private async Task CloseAsync(bool isCut)
    {
        if (_open is not { } item)
            return;
        _open = null;
        var json = BeginOf(item, $"{EventsOf(item)}.done");
        if (item.Kind == PieceKind.CallBegin)
            json.WriteString("name", item.Name);
        json.WriteString(item.Kind == PieceKind.CallBegin ? "arguments" : "text", item.Text);
        if (item.Kind == PieceKind.Text)
            ChatLogprobs.WriteList(json, Tokenizer, item.Tokens);
        await SendAsync(json).ConfigureAwait(false);
        if (item.Kind == PieceKind.Text)
            await SendPartAsync("response.content_part.done", item).ConfigureAwait(false);
        item.End(isCut);
        await SendItemAsync("response.output_item.done", item).ConfigureAwait(false);
    }

    private Task DeltaAsync(ResponseItem item, AnswerPiece piece)
    {
        item.Add(piece.Text, piece.Tokens);
        var json = BeginOf(item, $"{EventsOf(item)}.delta");
        json.WriteString("delta", piece.Text);
        if (item.Kind == PieceKind.Text)
            ChatLogprobs.WriteList(json, Tokenizer, piece.Tokens);
        return SendAsync(json);
    }

    private Task SendItemAsync(string name, ResponseItem item)
    {
        var json = Begin(name);
        json.WriteNumber("output_index", _body.ItemCount - 1);
        json.WritePropertyName("item");
        item.Write(json, Tokenizer);
        return SendAsync(json);
    }

    private Task SendPartAsync(string name, ResponseItem item)
    {
        var json = BeginOf(item, name);
        json.WritePropertyName("part");
        item.WritePart(json, Tokenizer);
        return SendAsync(json);
    }

    private Task SendBodyAsync(string name, Action<Utf8JsonWriter> write)
    {
        var json = Begin(name);
        json.WritePropertyName("response");
        write(json);
        return SendAsync(json);
    }

    private static string EventsOf(ResponseItem item) => item.Kind switch
    {
        PieceKind.Reasoning => "response.reasoning_text",
        PieceKind.Text => "response.output_text",
        _ => "response.function_call_arguments",
    };

    private Utf8JsonWriter BeginOf(ResponseItem item, string name)
    {
        var json = Begin(name);
        json.WriteString("item_id", item.Id);
        json.WriteNumber("output_index", _body.ItemCount - 1);
        if (item.Kind != PieceKind.CallBegin)
            json.WriteNumber("content_index", 0);
        return json;
    }

    private Utf8JsonWriter Begin(string name)
    {
        var json = frames.Begin(name);
        json.WriteStartObject();
        json.WriteString("type", name);
        json.WriteNumber("sequence_number", _number++);
        return json;
    }

    private Task SendAsync(Utf8JsonWriter json)
    {
        json.WriteEndObject();
        return frames.SendAsync();
    }
}
