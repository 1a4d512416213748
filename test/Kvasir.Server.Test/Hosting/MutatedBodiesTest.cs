using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Hosting;

/// <summary>Bodies that no client meant: whatever is asked, the server says what is wrong with it, or answers.</summary>
public sealed class MutatedBodiesTest
{
    /// <summary>How many are sent, in place of the usual.</summary>
    private const string CountVariable = "KVASIR_MUTATED_BODIES";

    private const int UsualCount = 2000;
    private const int MostAtOnce = 4;

    private static readonly (string Path, string Body)[] Sound =
    [
        ("/v1/chat/completions", """{"model":"stories260K","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"Once"}]}],"max_tokens":2,"temperature":0.5,"top_p":0.9,"seed":7,"n":2,"stop":["x"],"stream":true,"stream_options":{"include_usage":true}}"""),
        ("/v1/chat/completions", """{"messages":[{"role":"user","content":"Once"}],"max_tokens":3,"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object","properties":{"a":{"type":"integer","minimum":3},"b":{"type":"array","items":{"enum":["x",null,2]}}},"required":["a"]}}}}"""),
        ("/v1/chat/completions", """{"messages":[{"role":"user","content":"Once"}],"max_tokens":1,"logprobs":true,"top_logprobs":3,"logit_bias":{"5":-100},"kvasir":{"attention":"psa:coverage=0.5","audit":0.5},"chat_template_kwargs":{"a":[1,{"b":2}]},"priority":3}"""),
        ("/v1/completions", """{"prompt":["Once","upon"],"max_tokens":2,"echo":true,"logprobs":2,"repetition_penalty":1.1,"presence_penalty":0.5,"frequency_penalty":-0.5,"min_p":0.1,"top_k":5}"""),
        ("/v1/completions", """{"prompt":[[1,2,3],[4,5]],"max_tokens":1,"stream":true,"ignore_eos":true}"""),
        ("/v1/messages", """{"model":"stories260K","max_tokens":2,"system":[{"type":"text","text":"a"}],"messages":[{"role":"user","content":"Once"},{"role":"assistant","content":[{"type":"text","text":"upon"}]}],"stream":true,"stop_sequences":["x"],"temperature":1}"""),
        ("/v1/messages/count_tokens", """{"model":"stories260K","messages":[{"role":"user","content":"Once"}]}"""),
        ("/api/chat", """{"model":"stories260K","messages":[{"role":"user","content":"Once"}],"options":{"num_predict":2,"temperature":0.1,"num_ctx":64,"stop":["x"]},"keep_alive":"5m"}"""),
        ("/api/generate", """{"model":"stories260K","prompt":"Once","options":{"num_predict":2},"stream":false,"raw":true}"""),
        ("/api/show", """{"model":"stories260K","verbose":true}"""),
        ("/tokenize", """{"content":"Once upon","add_special":true,"with_pieces":true}"""),
        ("/detokenize", """{"tokens":[1,2,3]}"""),
        ("/apply-template", """{"messages":[{"role":"user","content":"Once"}]}"""),
    ];

    private static readonly string[] Odd =
    [
        "null", "true", "false", "0", "-1", "1", "16.0", "1e308", "1e400", "-0.0", "9223372036854775807", "9223372036854775808", "123456789012345678901234567890", "0.1e-400", "NaN", "\"\"", "\"16\"",
        "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\"", "\"\\u2028\"", "[]", "{}", "[[]]", "[null]", "{\"\":1}", "{\"a\":1,\"a\":2}", "\"x\":1", "// x", "'a'", "01", "+1", "\"stories260K\"", "\"http://localhost/x\"",
    ];

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task NoBodyIsAnsweredWithAFaultOfTheServer()
    {
        var count = int.TryParse(Environment.GetEnvironmentVariable(CountVariable), NumberStyles.None, CultureInfo.InvariantCulture, out var asked) ? asked : UsualCount;
        var seed = Random.Shared.Next();
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.Audit) = (64, 0));
        var next = 0;
        await Task.WhenAll(Enumerable.Range(0, MostAtOnce).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is var number && number <= count)
            {
                var random = new Random(HashCode.Combine(seed, number));
                var (path, body) = Sound[random.Next(Sound.Length)];
                await AskAsync(server, path, Mutated(body, random), $"seed {seed}, number {number}");
            }
        }));
        await server.AssertQuietAsync();
        TestContext.Current.SendDiagnosticMessage($"{count} bodies, seed {seed}");
    }

    private static async Task AskAsync(RunningServer server, string path, byte[] body, string place)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        using var response = await server.Client.PostAsync(new Uri(path, UriKind.Relative), content, late.Token);
        var text = await response.Content.ReadAsStringAsync(late.Token);
        var said = $"{place}: {path} {(int)response.StatusCode} {text}\n{Encoding.UTF8.GetString(body)}";
        Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest or HttpStatusCode.NotFound, said);
        if (response.StatusCode == HttpStatusCode.OK && response.Content.Headers.ContentType?.MediaType == "text/event-stream")
        {
            Assert.True(text.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal) || text.Contains("message_stop", StringComparison.Ordinal), said);
            Assert.False(text.Contains("\"error\"", StringComparison.Ordinal), said);
            return;
        }

        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var json = JsonDocument.Parse(line);
            if (response.StatusCode != HttpStatusCode.OK)
                Assert.True(json.RootElement.TryGetProperty("error", out var error) && error.ToString().Length > 0, said);
        }
    }

    // Sound JSON of which one to three values, or a few bytes, are others.
    private static byte[] Mutated(string body, Random random)
    {
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            var spans = Spans(Encoding.UTF8.GetBytes(body));
            if (spans.Count == 0)
                break;
            var (from, to) = spans[random.Next(spans.Count)];
            body = random.Next(12) switch
            {
                0 => string.Concat(body.AsSpan(0, from), body.AsSpan(to)),
                1 => body[..from],
                2 => string.Concat(body.AsSpan(0, to), ",", body.AsSpan(from, to - from), body.AsSpan(to)),
                3 => Replaced(body, from, to, string.Concat(Enumerable.Repeat("[", random.Next(1, 100))) + new string(']', random.Next(0, 100))),
                4 => Replaced(body, from, to, $"\"{new string((char)random.Next('a', 'z'), random.Next(1, 20_000))}\""),
                5 or 6 when spans[random.Next(spans.Count)] is var (otherFrom, otherTo) => Replaced(body, from, to, body[otherFrom..otherTo]),
                _ => Replaced(body, from, to, Odd[random.Next(Odd.Length)]),
            };
        }

        var bytes = Encoding.UTF8.GetBytes(body);
        for (var i = random.Next(10) == 0 ? random.Next(1, 4) : 0; i > 0 && bytes.Length > 0; i--)
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        return bytes;
    }

    private static string Replaced(string body, int from, int to, string value) => string.Concat(body.AsSpan(0, from), value, body.AsSpan(to));

    // Where values and names lie; only of the part that can be read. Bodies are ASCII until they are mutated, so that bytes are characters.
    private static List<(int From, int To)> Spans(byte[] body)
    {
        var (spans, open) = (new List<(int, int)>(), new Stack<int>());
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { AllowTrailingCommas = true });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
                    open.Push((int)reader.TokenStartIndex);
                else if (reader.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject)
                    spans.Add((open.Pop(), (int)reader.BytesConsumed));
                else if (reader.TokenType != JsonTokenType.PropertyName)
                    spans.Add(((int)reader.TokenStartIndex, (int)reader.BytesConsumed));
            }
        }
        catch (JsonException)
        {
            return spans;
        }

        return spans;
    }
}
