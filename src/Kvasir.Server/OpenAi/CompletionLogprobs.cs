using System.Text;
using System.Text.Json;
using Kvasir.Text;

namespace Kvasir.Server.OpenAi;

/// <summary>Log-probabilities as completions have them: lists side by side, and where in the text each token begins.</summary>
/// <param name="tokenizer">Of the model.</param>
/// <param name="hasPrompt">Whether the first of them begins the prompt.</param>
internal sealed class CompletionLogprobs(Tokenizer tokenizer, bool hasPrompt)
{
    private readonly TokenDecoder _decoder = tokenizer.CreateDecoder(continues: !hasPrompt);
    private int _offset;

    /// <param name="tokens">Those behind the last call's. None writes null.</param>
    public void Write(Utf8JsonWriter json, IReadOnlyList<GeneratedToken> tokens)
    {
        if (tokens.Count == 0)
        {
            json.WriteNull("logprobs");
            return;
        }

        json.WriteStartObject("logprobs");
        json.WriteStartArray("tokens");
        foreach (var token in tokens)
            json.WriteStringValue(Spelled(token.Token));
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (var token in tokens)
            WriteLogprob(json, token.Logprob);
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (var token in tokens)
            WriteTop(json, token);
        json.WriteEndArray();
        json.WriteStartArray("text_offset");
        foreach (var token in tokens)
        {
            json.WriteNumberValue(_offset);
            _offset += _decoder.Push(token.Token).Length;
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    // NaN stands for the first token of a prompt, before which nothing was.
    private static void WriteLogprob(Utf8JsonWriter json, float logprob)
    {
        if (float.IsNaN(logprob))
            json.WriteNullValue();
        else
            json.WriteNumberValue(ChatLogprobs.Finite(logprob));
    }

    private void WriteTop(Utf8JsonWriter json, GeneratedToken token)
    {
        if (float.IsNaN(token.Logprob))
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartObject();
        var written = new HashSet<string>();
        foreach (var (other, logprob) in token.TopLogprobs)
        {
            // Two tokens may be spelled alike; the more probable one comes first.
            if (written.Add(Spelled(other)))
                json.WriteNumber(Spelled(other), ChatLogprobs.Finite(logprob));
        }

        json.WriteEndObject();
    }

    // Bytes that are no characters alone are shown as such, as OpenAI does.
    private string Spelled(int token)
    {
        if (tokenizer.IsControl(token))
            return tokenizer.Piece(token);
        var bytes = tokenizer.Bytes(token);
        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes)
            : $"bytes:{string.Concat(bytes.ToArray().Select(static b => $"\\x{b:x2}"))}";
    }
}
