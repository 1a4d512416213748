using System.Globalization;
using System.Text.Json;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Anthropic;

/// <summary>What blocks become in the prompt. The template writes every turn in a line, so that what is counted says what was read.</summary>
public sealed class MessagePromptTest(PlainServer plain) : IClassFixture<PlainServer>
{
    private const string Lines = "{% for m in messages %}[{{ m.role }}{% if m.reasoning_content %}|{{ m.reasoning_content }}{% endif %}{% if m.name %}|{{ m.name }}{% endif %}|{{ m.content or '' }}"
        + "{% for c in m.tool_calls or [] %}|{{ c.function.name }} {{ c.function.arguments | tojson }}{% endfor %}]{% endfor %}{% if add_generation_prompt %}[{% endif %}";

    [Theory]
    [InlineData(
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]",
        "[user|a\nb][")]
    [InlineData("\"system\":\"s\",\"messages\":[{\"role\":\"system\",\"content\":\"t\"},{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"system\",\"content\":\"u\"}]", "[system|s\n\nt][user|a][system|u][")]
    [InlineData("\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]", "[user|a][assistant|b")]
    [InlineData(
        "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"h\",\"signature\":\"\"},{\"type\":\"redacted_thinking\",\"data\":\"x\"},"
        + "{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{\"k\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\",\"content\":"
        + "[{\"type\":\"text\",\"text\":\"r\"}]},{\"type\":\"text\",\"text\":\"c\"}]}]",
        "[user|a][assistant|h|b|f {\"k\": 1}][tool|f|r][user|c][")]
    [InlineData(
        "\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cc_version=2; cch=1f2e;\"},{\"type\":\"text\",\"text\":\"s\"}],\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]",
        "[system|s][user|a][")]
    public async Task BlocksBecomeTurns(string body, string prompt)
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(Lines, "lines")));
        using var counted = JsonDocument.Parse(await server.BodyAsync("/v1/messages/count_tokens", $"{{{body}}}"));
        using var expected = JsonDocument.Parse(await server.BodyAsync("/tokenize", $"{{\"content\":{JsonSerializer.Serialize(prompt)},\"add_special\":true}}"));
        using var answer = JsonDocument.Parse(await server.BodyAsync("/v1/messages", $"{{{body},\"max_tokens\":4,\"temperature\":0}}"));
        using var same = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{\"prompt\":{JsonSerializer.Serialize(prompt)},\"max_tokens\":4,\"temperature\":0}}"));
        var tokens = expected.RootElement.GetProperty("tokens").GetArrayLength();
        var usage = answer.RootElement.GetProperty("usage");
        var all = usage.GetProperty("input_tokens").GetInt32() + usage.GetProperty("cache_creation_input_tokens").GetInt32();
        Assert.Equal((tokens, tokens), (counted.RootElement.GetProperty("input_tokens").GetInt32(), all));
        Assert.Equal(same.RootElement.GetProperty("choices")[0].GetProperty("text").GetString(), answer.RootElement.GetProperty("content")[0].GetProperty("text").GetString());
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task TwoTurnsWithAnotherBillingHashHaveTheSamePrompt(bool keeps, bool same)
    {
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.UseTemplate(ChatTemplate.Parse(Lines, "lines"));
            options.KeepBillingHeader = keeps;
        });
        var counts = new List<string>();
        foreach (var hash in new[] { "1", "22222222" })
        {
            counts.Add(await server.BodyAsync("/v1/messages/count_tokens", string.Create(CultureInfo.InvariantCulture,
                $"{{\"system\":[{{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cch={hash};\"}}],\"messages\":[{{\"role\":\"user\",\"content\":\"a\"}}]}}")));
        }

        Assert.Equal(same, counts[0] == counts[1]);
    }

    // Rows are shared in columns of 32 tokens.
    [Fact]
    public async Task ASecondTurnWithAnotherBillingHashComputesItsTailOnly()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(Lines, "lines")));
        const string question = "{\"role\":\"user\",\"content\":\"Once upon a time there was a little girl who had a dog and a cat and a big red ball\"}";
        var turns = question;
        var before = 0;
        for (var turn = 0; turn < 2; turn++)
        {
            var body = $"{{\"system\":[{{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cc_version=2; cch={turn}{turn}f;\"}}],\"messages\":[{turns}],\"max_tokens\":4,\"temperature\":0}}";
            using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/messages", body));
            var usage = answer.RootElement.GetProperty("usage");
            var (cached, written) = (usage.GetProperty("cache_read_input_tokens").GetInt32(), usage.GetProperty("cache_creation_input_tokens").GetInt32());
            Assert.Equal(turn == 0, cached == 0);
            Assert.InRange(cached, before - 32, before);
            (before, turns) = (cached + written + usage.GetProperty("input_tokens").GetInt32(), $"{question},{{\"role\":\"assistant\",\"content\":\"yes\"}},{{\"role\":\"user\",\"content\":\"and\"}}");
        }
    }

    [Theory]
    [InlineData("{\"max_tokens\":1}", 400, "invalid_request_error", "messages is missing")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", 400, "invalid_request_error", "max_tokens is missing")]
    [InlineData("{\"max_tokens\":1,\"messages\":[]}", 400, "invalid_request_error", "messages is empty")]
    [InlineData("{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[]}]}", 400, "invalid_request_error", "messages[0].content is empty")]
    [InlineData("{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}", 400, "invalid_request_error", "messages[0].content[0].type is 'image'")]
    [InlineData("{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{\"name\":\"f\",\"input_schema\":{}}]}", 400, "invalid_request_error", "does not support tools")]
    [InlineData("{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"output_config\":{\"format\":{\"type\":\"json_schema\"}}}", 400, "invalid_request_error", "output_config.format.schema is missing")]
    [InlineData("{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"model\":\"nope\"}", 404, "not_found_error", "nope")]
    [InlineData("{\"max_tokens\":1,", 400, "invalid_request_error", "JSON")]
    public async Task AnErrorHasAnthropicsShape(string body, int status, string type, string words)
    {
        var server = plain.Server;
        using var response = await server.PostAsync("/v1/messages", body);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        Assert.Equal((status, "error", type), ((int)response.StatusCode, json.RootElement.GetProperty("type").GetString(), error.GetProperty("type").GetString()));
        Assert.Contains(words, error.GetProperty("message").GetString());
        Assert.Equal(response.Headers.GetValues("request-id").Single(), json.RootElement.GetProperty("request_id").GetString());
    }

    [Fact]
    public async Task APromptThatIsTooLongIsSaidInAnthropicsWords()
    {
        await using var server = await RunningServer.StartAsync();
        var body = await server.BodyAsync("/v1/messages", $"{{\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"{string.Concat(Enumerable.Repeat("Once ", 600))}\"}}]}}");
        Assert.Matches("prompt is too long: [0-9]+ tokens > 512 maximum", body);
    }
}
