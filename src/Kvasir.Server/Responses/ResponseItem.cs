using System.Text;
using System.Text.Json;
using Kvasir.Server.Answers;
using Kvasir.Server.OpenAi;
using Kvasir.Text;

namespace Kvasir.Server.Responses;

/// <summary>An item of a response's output: what the model thought, a message, or a call.</summary>
internal sealed class ResponseItem(PieceKind kind, string name = "", string callId = "")
{
    private readonly StringBuilder _text = new();
    private readonly List<GeneratedToken> _tokens = [];
    private string _status = "in_progress";

    /// <summary><see cref="PieceKind.Reasoning"/>, <see cref="PieceKind.Text"/> or <see cref="PieceKind.CallBegin"/>.</summary>
    public PieceKind Kind => kind;

    public string Id { get; } = (kind switch { PieceKind.Reasoning => "rs_", PieceKind.Text => "msg_", _ => "fc_" }) + AnswerName.Fresh();

    /// <summary>Of the function, where it is a call.</summary>
    public string Name => name;

    /// <summary>So far: of a call its arguments.</summary>
    public string Text => _text.ToString();

    public IReadOnlyList<GeneratedToken> Tokens => _tokens;

    public void Add(string text, IReadOnlyList<GeneratedToken> tokens)
    {
        _text.Append(text);
        _tokens.AddRange(tokens);
    }

    /// <summary>Nothing more comes.</summary>
    public void End(bool isCut) => _status = isCut ? "incomplete" : "completed";

    public void Write(Utf8JsonWriter json, Tokenizer tokenizer)
    {
        json.WriteStartObject();
        json.WriteString("id", Id);
        json.WriteString("type", kind switch { PieceKind.Reasoning => "reasoning", PieceKind.Text => "message", _ => "function_call" });
        json.WriteString("status", _status);
        if (kind == PieceKind.CallBegin)
        {
            json.WriteString("call_id", callId);
            json.WriteString("name", name);
            json.WriteString("arguments", Text);
        }
        else
        {
            if (kind == PieceKind.Text)
            {
                json.WriteString("role", "assistant");
            }
            else
            {
                json.WriteStartArray("summary");
                json.WriteEndArray();
            }

            // What has only begun is empty: its parts are events of their own.
            json.WriteStartArray("content");
            if (_status != "in_progress")
                WritePart(json, tokenizer);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>The only part of a message, or of what the model thought.</summary>
    public void WritePart(Utf8JsonWriter json, Tokenizer tokenizer)
    {
        json.WriteStartObject();
        json.WriteString("type", kind == PieceKind.Reasoning ? "reasoning_text" : "output_text");
        json.WriteString("text", Text);
        if (kind == PieceKind.Text)
        {
            json.WriteStartArray("annotations");
            json.WriteEndArray();
            ChatLogprobs.WriteList(json, tokenizer, _tokens);
        }

        json.WriteEndObject();
    }
}
