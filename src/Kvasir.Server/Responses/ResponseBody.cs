using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.OpenAi;

namespace Kvasir.Server.Responses;

/// <summary>The response object: whole, and in the first and last events of a stream.</summary>
internal sealed class ResponseBody(ServedAnswer answer)
{
    private readonly string _id = $"resp_{AnswerName.Fresh()}";
    private readonly List<ResponseItem> _items = [];

    public int ItemCount => _items.Count;

    public ResponseItem Add(ResponseItem item)
    {
        _items.Add(item);
        return item;
    }

    /// <summary>All items of a choice that has ended.</summary>
    public void AddAll(Choice choice)
    {
        if (choice.Reasoning.Length > 0)
            AddEnded(new ResponseItem(PieceKind.Reasoning), choice.Reasoning, [], choice is { IsCut: true, Text.Length: 0, Calls.Count: 0 });
        // An output without an item would be no answer.
        if (choice.Text.Length > 0 || (choice.Reasoning.Length == 0 && choice.Calls.Count == 0))
            AddEnded(new ResponseItem(PieceKind.Text), choice.Text, choice.Tokens, choice is { IsCut: true, Calls.Count: 0 });
        foreach (var call in choice.Calls)
            AddEnded(new ResponseItem(PieceKind.CallBegin, call.Name, call.Id), call.Arguments, [], !call.IsComplete);
    }

    /// <summary>While it goes on.</summary>
    public void Write(Utf8JsonWriter json) => Write(json, "in_progress", incomplete: null, error: null);

    public void WriteEnd(Utf8JsonWriter json, Choice choice) =>
        Write(json, choice.IsCut ? "incomplete" : "completed", choice.IsCut ? "max_output_tokens" : null, error: null);

    public void WriteFailed(Utf8JsonWriter json, RequestError error) => Write(json, "failed", incomplete: null, error);

    /// <summary>One that failed before anything was known of it.</summary>
    public static void WriteRefused(Utf8JsonWriter json, RequestError error)
    {
        json.WriteStartObject();
        json.WriteString("id", $"resp_{AnswerName.Fresh()}");
        json.WriteString("object", "response");
        json.WriteString("status", "failed");
        WriteError(json, error);
        json.WriteStartArray("output");
        json.WriteEndArray();
        json.WriteNull("usage");
        json.WriteEndObject();
    }

    private void AddEnded(ResponseItem item, string text, IReadOnlyList<GeneratedToken> tokens, bool isCut)
    {
        item.Add(text, tokens);
        item.End(isCut);
        _items.Add(item);
    }

    private void Write(Utf8JsonWriter json, string status, string? incomplete, RequestError? error)
    {
        var isOver = status is "completed" or "incomplete";
        json.WriteStartObject();
        json.WriteString("id", _id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", answer.CreatedAt.ToUnixTimeSeconds());
        if (isOver)
            json.WriteNumber("completed_at", answer.CreatedAt.AddMilliseconds(answer.ElapsedMs).ToUnixTimeSeconds());
        else
            json.WriteNull("completed_at");
        json.WriteString("status", status);
        WriteError(json, error);
        WriteIncomplete(json, incomplete);
        json.WriteString("model", answer.Model.Id);
        json.WriteStartArray("output");
        foreach (var item in _items)
            item.Write(json, answer.Model.Model.Tokenizer);
        json.WriteEndArray();
        foreach (var (name, value) in answer.Request.Repeated!)
            WriteMember(json, name, value);
        json.WriteNull("previous_response_id");
        json.WriteBoolean("store", false);
        json.WriteNumber("temperature", answer.Request.Options.Sampling.Temperature);
        json.WriteNumber("top_p", answer.Request.Options.Sampling.TopP);
        json.WriteString("truncation", "disabled");
        json.WriteStartObject("metadata");
        json.WriteEndObject();
        if (isOver)
            WriteUsage(json);
        else
            json.WriteNull("usage");
        json.WriteEndObject();
    }

    private static void WriteMember(Utf8JsonWriter json, string name, JsonNode? value)
    {
        json.WritePropertyName(name);
        if (value is null)
            json.WriteNullValue();
        else
            value.WriteTo(json);
    }

    private static void WriteError(Utf8JsonWriter json, RequestError? error)
    {
        if (error is null)
        {
            json.WriteNull("error");
            return;
        }

        json.WriteStartObject("error");
        json.WriteString("code", error.Kind.Code);
        json.WriteString("message", error.Message);
        json.WriteEndObject();
    }

    private static void WriteIncomplete(Utf8JsonWriter json, string? reason)
    {
        if (reason is null)
        {
            json.WriteNull("incomplete_details");
            return;
        }

        json.WriteStartObject("incomplete_details");
        json.WriteString("reason", reason);
        json.WriteEndObject();
    }

    private void WriteUsage(Utf8JsonWriter json)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", answer.PromptTokens);
        json.WriteStartObject("input_tokens_details");
        FiguresJson.WriteCacheUse(json, answer);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", answer.CompletionTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", answer.ReasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", answer.PromptTokens + answer.CompletionTokens);
        json.WriteEndObject();
    }
}
