using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Ollama;

/// <summary>Lines and bodies as Ollama's clients read them, against what is written here by hand.</summary>
public sealed partial class OllamaTest(PlainServer plain) : IClassFixture<PlainServer>
{
    private const string Head = "{\"model\":\"stories260K\",\"created_at\":\"T\",";
    private const string End = "\"total_duration\":D,\"load_duration\":0,\"prompt_eval_count\":5,\"prompt_eval_duration\":D,\"eval_count\":1,\"eval_duration\":D}";
    private const string Chat = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"options\":{\"temperature\":0,\"num_predict\":1}";
    private const string Question = "{\"role\":\"user\",\"content\":\"Once upon a time\"}";

    [Fact]
    public async Task AChatIsLinesUnlessItIsAskedForWhole()
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/api/chat", $"{{{Chat}}}");
        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType!.ToString());
        Assert.Equal(
            Head + "\"message\":{\"role\":\"assistant\",\"content\":\",\"},\"done\":false}\n"
            + Head + "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"length\"," + End + "\n",
            Steady(await response.Content.ReadAsStringAsync()));
        Assert.Equal(
            Head + "\"message\":{\"role\":\"assistant\",\"content\":\",\"},\"done\":true,\"done_reason\":\"length\"," + End,
            Steady(await server.BodyJsonAsync("/api/chat", $"{{{Chat},\"stream\":false}}")));
        Assert.Equal(
            Head + "\"response\":\",\",\"done\":true,\"done_reason\":\"length\"," + End[..^1] + ",\"context\":[1,403,407,261,378,432]}",
            Steady(await server.BodyJsonAsync("/api/generate", "{\"prompt\":\"Once upon a time\",\"stream\":false,\"options\":{\"temperature\":0,\"num_predict\":1}}")));
    }

    [Theory]
    [InlineData("/api/chat", "{\"messages\":7}", 400, "messages is a number")]
    [InlineData("/api/generate", "{\"prompt\":\"a\",\"context\":[512]}", 400, "context[0] is 512")]
    [InlineData("/api/chat", "{\"messages\":[" + Question + "],\"top_logprobs\":2}", 400, "top_logprobs needs logprobs")]
    [InlineData("/api/chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"images\":[\"eA==\"]}]}", 400, "messages[0].images")]
    [InlineData("/api/chat", "{\"messages\":[" + Question + "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}", 400, "does not support tools")]
    [InlineData("/api/chat", "{\"messages\":[" + Question + "],\"format\":\"xml\"}", 400, "format is 'xml'")]
    [InlineData("/api/generate", "{\"prompt\":\"a\",\"tools\":[{\"type\":\"function\"}]}", 400, "tools")]
    [InlineData("/api/chat", "{\"messages\":[" + Question + "],\"options\":{\"temperature\":-1}}", 400, "options.temperature is -1")]
    [InlineData("/api/chat", "{\"messages\":[" + Question + "],\"options\":{\"num_ctx\":4}}", 400, "prompt too long; exceeded max context length by 2 tokens")]
    [InlineData("/api/generate", "{\"prompt\":\"a\",\"template\":\"b\"}", 400, "template")]
    [InlineData("/api/generate", "{\"prompt\":\"a\",\"model\":\"nope\"}", 404, "nope")]
    [InlineData("/api/pull", "{\"model\":\"nope\"}", 501, "models are files in the models folder")]
    [InlineData("/api/embed", "{\"input\":\"a\"}", 400, "--embeddings")]
    public async Task AnErrorIsAText(string path, string body, int status, string words)
    {
        var server = plain.Server;
        using var response = await server.PostAsync(path, body);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(words, json.RootElement.GetProperty("error").GetString());
    }

    [Fact]
    public async Task AContextSizeIsACapAndOldestTurnsGoOnlyWhereThatIsAskedFor()
    {
        const string all = "{% for m in messages %}{{ m.content }}{% endfor %}";
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(all, "all")));
        var turns = "{\"role\":\"system\",\"content\":\"Once\"}," + string.Join(',', Enumerable.Repeat(Question + ",{\"role\":\"assistant\",\"content\":\" there was\"}", 20)) + "," + Question;
        var body = $"\"messages\":[{turns}],\"stream\":false,\"options\":{{\"temperature\":0,\"num_ctx\":32}}";
        Assert.Contains("prompt too long", await server.BodyJsonAsync("/api/chat", $"{{{body}}}"));
        using var fitted = JsonDocument.Parse(await server.BodyJsonAsync("/api/chat", $"{{{body},\"truncate\":true}}"));
        var (prompt, answer) = (fitted.RootElement.GetProperty("prompt_eval_count").GetInt32(), fitted.RootElement.GetProperty("eval_count").GetInt32());
        Assert.Equal(("length", 32), (fitted.RootElement.GetProperty("done_reason").GetString(), prompt + answer));
        Assert.InRange(fitted.RootElement.GetProperty("kvasir").GetProperty("dropped_messages").GetInt32(), 34, 40);
        using var large = await server.PostAsync("/api/chat", $"{{\"messages\":[{Question}],\"stream\":false,\"options\":{{\"num_predict\":1,\"num_ctx\":100000}}}}");
        Assert.Equal((200, "options.num_ctx"), ((int)large.StatusCode, large.Headers.GetValues("x-kvasir-ignored").Single()));
    }

    [Theory]
    [InlineData("/api/chat", "{}", "\"message\":{\"role\":\"assistant\",\"content\":\"\"}")]
    [InlineData("/api/chat", "{\"messages\":[],\"stream\":false}", "\"message\":{\"role\":\"assistant\",\"content\":\"\"}")]
    [InlineData("/api/generate", "{\"model\":\"stories260K\",\"prompt\":\"\",\"keep_alive\":\"5m\"}", "\"response\":\"\"")]
    public async Task WhoAsksNothingIsToldThatTheModelIsThere(string path, string body, string text)
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal(Head + text + ",\"done\":true,\"done_reason\":\"load\"}", Steady(await server.BodyJsonAsync(path, body)));
        using var other = await server.PostAsync(path, "{\"model\":\"nope\"}");
        Assert.Equal(404, (int)other.StatusCode);
    }

    // As clients of a year ago do.
    [Theory]
    [InlineData("/api/generate", "\"model\":\"\",\"prompt\":\"Once upon a time\",\"suffix\":\"\",\"system\":\"\",\"template\":\"\",\"context\":null,\"stream\":false,\"raw\":false,\"format\":\"\",\"images\":[],\"keep_alive\":null")]
    [InlineData("/api/chat", "\"model\":\"\",\"messages\":[" + Question + "],\"tools\":[],\"stream\":false,\"format\":\"\",\"keep_alive\":null")]
    public async Task WhoSendsEveryFieldAndMostOfThemEmptyIsAnswered(string path, string fields)
    {
        var body = await plain.Server.BodyJsonAsync(path, $"{{{fields},\"options\":{{\"temperature\":0,\"num_predict\":1}}}}");
        Assert.Contains("\"prompt_eval_count\":5,", body);
        Assert.Matches("\"(response|content)\":\",\"", body);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(-2)]
    public async Task NoLimitIsWrittenInThreeWays(int limit)
    {
        using var json = JsonDocument.Parse(await plain.Server.BodyJsonAsync(
            "/api/chat", $"{{\"messages\":[{Question}],\"stream\":false,\"options\":{{\"temperature\":0,\"num_ctx\":12,\"num_predict\":{limit}}}}}"));
        Assert.Equal(7, json.RootElement.GetProperty("eval_count").GetInt32());
    }

    [Fact]
    public async Task AQuestionGoesOnBehindTheContextThatAnAnswerTold()
    {
        await using var server = await RunningServer.StartAsync();
        const string options = "\"stream\":false,\"raw\":true,\"options\":{\"temperature\":0,\"num_predict\":8}}";
        using var first = JsonDocument.Parse(await server.BodyJsonAsync("/api/generate", "{\"prompt\":\"Once upon a time\"," + options));
        var context = first.RootElement.GetProperty("context").GetRawText();
        using var second = JsonDocument.Parse(await server.BodyJsonAsync("/api/generate", $"{{\"prompt\":\" Then\",\"context\":{context},{options}"));
        var tokens = context[..^1] + "," + Tokens(await server.BodyJsonAsync("/tokenize", "{\"content\":\" Then\"}")) + "]";
        using var same = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{\"prompt\":{tokens},\"temperature\":0,\"max_tokens\":8}}"));
        Assert.Equal(same.RootElement.GetProperty("choices")[0].GetProperty("text").GetString(), second.RootElement.GetProperty("response").GetString());
        Assert.Equal(same.RootElement.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), second.RootElement.GetProperty("prompt_eval_count").GetInt32());
        Assert.Equal(second.RootElement.GetProperty("prompt_eval_count").GetInt32() + 8, second.RootElement.GetProperty("context").GetArrayLength());
    }

    [Fact]
    public async Task LogProbabilitiesStandBesideTheText()
    {
        await using var server = await RunningServer.StartAsync();
        var body = Chat.Replace("\"num_predict\":1", "\"num_predict\":3", StringComparison.Ordinal) + ",\"logprobs\":true,\"top_logprobs\":2";
        using var whole = JsonDocument.Parse(await server.BodyJsonAsync("/api/chat", $"{{{body},\"stream\":false}}"));
        var told = whole.RootElement.GetProperty("logprobs").EnumerateArray().ToArray();
        Assert.Equal(3, told.Length);
        Assert.All(told, static token => Assert.Equal(2, token.GetProperty("top_logprobs").GetArrayLength()));
        Assert.Equal(whole.RootElement.GetProperty("message").GetProperty("content").GetString(), string.Concat(told.Select(static token => token.GetProperty("token").GetString())));
        var lines = (await server.BodyJsonAsync("/api/chat", $"{{{body}}}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement);
        var streamed = lines.SelectMany(static line => line.TryGetProperty("logprobs", out var tokens) ? tokens.EnumerateArray().ToArray() : []);
        Assert.Equal(told.Select(static token => token.GetRawText()), streamed.Select(static token => token.GetRawText()));
    }

    [Fact]
    public async Task ModelsAreListedWithWhatClientsLookFor()
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal("Ollama is running", await server.Client.GetStringAsync(server.Address));
        using var version = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri(server.Address, "/api/version")));
        Assert.Matches("^[0-9]+\\.[0-9]+\\.[0-9]+$", version.RootElement.GetProperty("version").GetString());
        using var show = JsonDocument.Parse(await server.BodyJsonAsync("/api/show", "{\"model\":\"stories260K:latest\"}"));
        Assert.Equal("{{ messages[-1].content }}", show.RootElement.GetProperty("template").GetString());
        Assert.Contains("temperature 0.8\ntop_k 40\ntop_p 0.95\n", show.RootElement.GetProperty("parameters").GetString());
        var facts = show.RootElement.GetProperty("model_info");
        Assert.Equal(("F32", "260.0K"), (show.RootElement.GetProperty("details").GetProperty("quantization_level").GetString(), show.RootElement.GetProperty("details").GetProperty("parameter_size").GetString()));
        Assert.InRange(facts.GetProperty("general.parameter_count").GetInt64(), 200_000, 300_000);
        Assert.Equal(512, facts.GetProperty($"{facts.GetProperty("general.architecture").GetString()}.context_length").GetInt32());
        Assert.Equal("completion", show.RootElement.GetProperty("capabilities")[0].GetString());
        using var running = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri(server.Address, "/api/ps")));
        Assert.Equal(512, running.RootElement.GetProperty("models")[0].GetProperty("context_length").GetInt32());
    }

    private static string Tokens(string body)
    {
        using var json = JsonDocument.Parse(body);
        return json.RootElement.GetProperty("tokens").GetRawText()[1..^1];
    }

    private static string Steady(string body) => Duration().Replace(Time().Replace(body, "\"created_at\":\"T\""), "$1:D");

    [GeneratedRegex("\"created_at\":\"[^\"]*\"")]
    private static partial Regex Time();

    [GeneratedRegex("(\"(?:total|prompt_eval|eval)_duration\"):[0-9]+")]
    private static partial Regex Duration();
}
