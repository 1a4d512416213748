using System.Text.Json;
using Kvasir.Server.Answers;

namespace Kvasir.Server.OpenAi;

/// <summary>Calls as chat has them: arguments are a string, in which there is an object.</summary>
internal static class ChatCalls
{
    /// <summary>All of a whole answer; nothing where there is none.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<ServedCall> calls)
    {
        if (calls.Count == 0)
            return;
        json.WriteStartArray("tool_calls");
        foreach (var call in calls)
        {
            json.WriteStartObject();
            WriteNamed(json, call.Id, call.Name, call.Arguments);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>A piece of one, for a stream.</summary>
    public static void Write(Utf8JsonWriter json, AnswerPiece piece)
    {
        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        // Clients put pieces together by it.
        json.WriteNumber("index", piece.CallIndex);
        if (piece.Kind == PieceKind.CallBegin)
        {
            WriteNamed(json, piece.CallId!, piece.Text, "");
        }
        else
        {
            json.WriteStartObject("function");
            json.WriteString("arguments", piece.Text);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void WriteNamed(Utf8JsonWriter json, string id, string name, string arguments)
    {
        json.WriteString("id", id);
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", name);
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
    }
}
