using System.Text.Json;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Ollama;

/// <summary>Tools of a chat in Ollama's dialect, and forms that answers are held to.</summary>
public sealed class OllamaCallsTest
{
    private const int LineBreak = 13;
    private const string Asked = "\"messages\":[{\"role\":\"user\",\"content\":\"How many?\"}],\"options\":{\"temperature\":1,\"seed\":4,\"num_predict\":200}";
    private const string Sun = "{\"type\":\"function\",\"function\":{\"name\":\"sun\",\"parameters\":{\"type\":\"object\",\"properties\":{\"days\":{\"enum\":[3]}},\"required\":[\"days\"],\"additionalProperties\":false}}}";
    private const string Rain = "{\"type\":\"function\",\"function\":{\"name\":\"rain\",\"parameters\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}}";
    private const string Say = "{\"type\":\"function\",\"function\":{\"name\":\"say\",\"parameters\":{\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}}}";
    private const string Turns = "{% for m in messages %}[{{ m.role }}{% if m.name %} {{ m.name }}{% endif %}{% if m.tool_call_id %} {{ m.tool_call_id }}{% endif %}|{{ m.content or '' }}"
        + "{% for c in m.tool_calls or [] %}|{{ c.id }} {{ c.function.name }}{% endfor %}]{% endfor %}";

    // Between tokens of JSON there may be line breaks, which would end a line too early.
    [Fact]
    public async Task ACallIsALineWhoseArgumentsAreAnObjectHoweverTheModelBreaksThem()
    {
        await using var server = await StartAsync();
        const string asked = "{\"messages\":[{\"role\":\"user\",\"content\":\"How many?\"}],\"tools\":[" + Sun + "],\"tool_choice\":\"required\",\"parallel_tool_calls\":false,";
        var drawn = $"\"temperature\":1,\"seed\":4,\"logit_bias\":{{\"{LineBreak}\":100}}";
        Assert.Contains("\"arguments\":\"{\\n", await server.BodyJsonAsync("/v1/chat/completions", $"{asked}{drawn},\"max_tokens\":200}}"));
        var fields = $"{asked}\"options\":{{{drawn},\"num_predict\":200}}";
        var lines = (await server.BodyJsonAsync("/api/chat", fields + "}")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var called = lines.Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("message")).Single(static message => message.TryGetProperty("tool_calls", out _));
        using var whole = JsonDocument.Parse(await server.BodyJsonAsync("/api/chat", fields + ",\"stream\":false}"));
        foreach (var message in (JsonElement[])[called, whole.RootElement.GetProperty("message")])
        {
            var call = Assert.Single(message.GetProperty("tool_calls").EnumerateArray().ToArray());
            Assert.Matches("^call_[0-9A-Za-z]{24}$", call.GetProperty("id").GetString());
            var function = call.GetProperty("function");
            Assert.Equal((0, "sun", 3), (function.GetProperty("index").GetInt32(), function.GetProperty("name").GetString(), function.GetProperty("arguments").GetProperty("days").GetInt32()));
        }

        Assert.Equal(("stop", ""), (whole.RootElement.GetProperty("done_reason").GetString(), whole.RootElement.GetProperty("message").GetProperty("content").GetString()));
    }

    [Fact]
    public async Task SeveralCallsHaveAnIndexAndAnIdEach()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Calls);
        var fields = $"{{{Asked.Replace("200", $"3,\"logit_bias\":{{\"{MarkedStories.WholeCall}\":100}}", StringComparison.Ordinal)},\"tools\":[{Sun},{Rain}]";
        using var whole = JsonDocument.Parse(await server.BodyJsonAsync("/api/chat", fields + ",\"stream\":false}"));
        var lines = (await server.BodyJsonAsync("/api/chat", fields + "}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("message"));
        var streamed = lines.SelectMany(static message => message.TryGetProperty("tool_calls", out var calls) ? calls.EnumerateArray().ToArray() : []).ToArray();
        foreach (var calls in (JsonElement[][])[whole.RootElement.GetProperty("message").GetProperty("tool_calls").EnumerateArray().ToArray(), streamed])
        {
            Assert.Equal([0, 1, 2], calls.Select(static call => call.GetProperty("function").GetProperty("index").GetInt32()));
            Assert.Equal(3, calls.Select(static call => call.GetProperty("id").GetString()).Distinct().Count());
        }
    }

    [Fact]
    public async Task ACallThatALimitCutsIsTextAsFarAsItCame()
    {
        await using var server = await StartAsync();
        var fields = $"{{{Asked.Replace("200", "45", StringComparison.Ordinal)},\"tools\":[{Say}],\"tool_choice\":\"required\"";
        using var whole = JsonDocument.Parse(await server.BodyJsonAsync("/api/chat", fields + ",\"stream\":false}"));
        var message = whole.RootElement.GetProperty("message");
        Assert.Equal(("length", false), (whole.RootElement.GetProperty("done_reason").GetString(), message.TryGetProperty("tool_calls", out _)));
        Assert.Matches("^\\{\"name\": \"say\", \"arguments\": \\{\\s*\"text\":", message.GetProperty("content").GetString());
        var lines = (await server.BodyJsonAsync("/api/chat", fields + "}")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(message.GetProperty("content").GetString(), string.Concat(lines.Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("message").GetProperty("content").GetString())));
    }

    [Fact]
    public async Task AResultWithoutAnIdIsThatOfTheFirstCallOfItsName()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(Turns, "turns")));
        const string call = "{\"function\":{\"name\":\"sun\",\"arguments\":{}}}";
        const string other = "{\"id\":\"own\",\"function\":{\"name\":\"rain\",\"arguments\":{\"a\":1}}}";
        const string messages = "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[" + call + "," + other + "," + call + "]},"
            + "{\"role\":\"tool\",\"content\":\"x\",\"tool_name\":\"sun\"},{\"role\":\"tool\",\"content\":\"y\",\"tool_call_id\":\"own\"},{\"role\":\"tool\",\"content\":\"z\"}],\"options\":{\"num_predict\":1},\"stream\":false}";
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/api/chat", messages));
        const string prompt = "[user|a][assistant||call_000000000 sun|own rain|call_000000002 sun][tool sun call_000000000|x][tool rain own|y][tool sun call_000000002|z]";
        using var expected = JsonDocument.Parse(await server.BodyJsonAsync("/tokenize", $"{{\"content\":\"{prompt}\",\"add_special\":true}}"));
        Assert.Equal(expected.RootElement.GetProperty("tokens").GetArrayLength(), answer.RootElement.GetProperty("prompt_eval_count").GetInt32());
    }

    [Theory]
    [InlineData("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"Lily had a\"}]")]
    [InlineData("/api/generate", "\"prompt\":\"Lily had a\"")]
    [InlineData("/api/generate", "\"prompt\":\"Lily had a\",\"raw\":true")]
    public async Task AnAnswerIsHeldToItsFormat(string path, string asked)
    {
        await using var server = await RunningServer.StartAsync();
        const string schema = "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"cat\",\"dog\"]}},\"required\":[\"kind\"],\"additionalProperties\":false}";
        using var held = JsonDocument.Parse(await TextAsync(server, path, $"{{{asked},\"format\":{schema},\"stream\":false,\"options\":{{\"temperature\":1,\"seed\":3}}}}"));
        Assert.Contains(held.RootElement.GetProperty("kind").GetString(), (string[])["cat", "dog"]);
        Assert.StartsWith("{", await TextAsync(server, path, $"{{{asked},\"format\":\"json\",\"stream\":false,\"options\":{{\"temperature\":0,\"num_predict\":8}}}}"));
        Assert.DoesNotMatch("^\\{", await TextAsync(server, path, $"{{{asked},\"format\":\"\",\"stream\":false,\"options\":{{\"temperature\":0,\"num_predict\":8}}}}"));
    }

    private static async Task<string> TextAsync(RunningServer server, string path, string body)
    {
        var answer = await server.BodyJsonAsync(path, body);
        Assert.DoesNotContain("\"error\":", answer);
        using var json = JsonDocument.Parse(answer);
        return (json.RootElement.TryGetProperty("message", out var message) ? message.GetProperty("content") : json.RootElement.GetProperty("response")).GetString()!;
    }

    private static Task<RunningServer> StartAsync() => RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));
}
