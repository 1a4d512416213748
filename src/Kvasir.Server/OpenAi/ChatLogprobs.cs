using System.Text;
using System.Text.Json;
using Kvasir.Text;

namespace Kvasir.Server.OpenAi;

/// <summary>Log-probabilities as chat has them: each token once, with its bytes.</summary>
internal static class ChatLogprobs
{
    // What JSON has no number for.
    private const double Impossible = -9999.0;

    /// <param name="tokens">None writes null.</param>
    public static void Write(Utf8JsonWriter json, Tokenizer tokenizer, IReadOnlyList<GeneratedToken> tokens)
    {
        if (tokens.Count == 0)
        {
            json.WriteNull("logprobs");
            return;
        }

        json.WriteStartObject("logprobs");
        json.WriteStartArray("content");
        foreach (var token in tokens)
            WriteWithOthers(json, tokenizer, token);
        json.WriteEndArray();
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    /// <summary>As responses have them: a list, empty where nobody asked.</summary>
    public static void WriteList(Utf8JsonWriter json, Tokenizer tokenizer, IReadOnlyList<GeneratedToken> tokens)
    {
        json.WriteStartArray("logprobs");
        foreach (var token in tokens)
            WriteWithOthers(json, tokenizer, token);
        json.WriteEndArray();
    }

    /// <summary>A number that JSON has.</summary>
    public static double Finite(float logprob) => float.IsFinite(logprob) ? logprob : Impossible;

    private static void WriteWithOthers(Utf8JsonWriter json, Tokenizer tokenizer, in GeneratedToken token)
    {
        json.WriteStartObject();
        WriteToken(json, tokenizer, token.Token, token.Logprob);
        json.WriteStartArray("top_logprobs");
        foreach (var (other, logprob) in token.TopLogprobs)
        {
            json.WriteStartObject();
            WriteToken(json, tokenizer, other, logprob);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteToken(Utf8JsonWriter json, Tokenizer tokenizer, int token, float logprob)
    {
        var bytes = tokenizer.Bytes(token);
        json.WriteString("token", tokenizer.IsControl(token) ? tokenizer.Piece(token) : Encoding.UTF8.GetString(bytes));
        json.WriteNumber("logprob", Finite(logprob));
        json.WriteStartArray("bytes");
        foreach (var b in bytes)
            json.WriteNumberValue(b);
        json.WriteEndArray();
    }
}
