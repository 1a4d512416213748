using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Rows of the table of errors, each with the request that meets it.</summary>
public sealed class ChatErrorTest(PlainServer plain) : IClassFixture<PlainServer>
{
    private const string Good = "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";

    [Theory]
    [InlineData("", 400, "invalid_json", null)]
    [InlineData("{\"a\":", 400, "invalid_json", null)]
    [InlineData("{\"a\":1,\"a\":2}", 400, "invalid_json", null)]
    [InlineData("{" + Good + ",}", 400, "invalid_json", null)]
    [InlineData("[]", 400, "invalid_value", null)]
    [InlineData("{}", 400, "invalid_value", "messages")]
    [InlineData("{\"messages\":[]}", 400, "invalid_value", "messages")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud83d\"}]}", 400, "invalid_json", "messages[0].content")]
    [InlineData("{\"messages\":[],\"\\ud83d\":1}", 400, "invalid_json", null)]
    [InlineData("{\"messages\":[{\"role\":\"user\"}]}", 400, "invalid_value", "messages[0].content")]
    [InlineData("{\"messages\":[{\"role\":\"wizard\",\"content\":\"\"}]}", 400, "invalid_value", "messages[0].role")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\"}]}]}", 400, "unsupported", "messages[0].content[1].type")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}]}", 400, "invalid_value", "messages[0].content")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\"}}]}", 400, "unsupported", "messages[0].function_call")]
    [InlineData("{" + Good + ",\"temperature\":\"1\"}", 400, "invalid_value", "temperature")]
    [InlineData("{" + Good + ",\"temperature\":101}", 400, "invalid_value", "temperature")]
    [InlineData("{" + Good + ",\"top_p\":0}", 400, "invalid_value", "top_p")]
    [InlineData("{" + Good + ",\"max_tokens\":0}", 400, "invalid_value", "max_tokens")]
    [InlineData("{" + Good + ",\"max_tokens\":1.5}", 400, "invalid_value", "max_tokens")]
    [InlineData("{" + Good + ",\"n\":9}", 400, "invalid_value", "n")]
    [InlineData("{" + Good + ",\"stop\":[\"\"]}", 400, "invalid_value", "stop[0]")]
    [InlineData("{" + Good + ",\"top_logprobs\":2}", 400, "invalid_value", "top_logprobs")]
    [InlineData("{" + Good + ",\"web_search_options\":{\"search_context_size\":\"low\"}}", 400, "unsupported", "web_search_options")]
    [InlineData("{" + Good + ",\"logit_bias\":{\"512\":1}}", 400, "invalid_value", "logit_bias.512")]
    [InlineData("{" + Good + ",\"kvasir\":{\"attention\":\"nope\"}}", 400, "invalid_value", "kvasir.attention")]
    [InlineData("{" + Good + ",\"functions\":[]}", 400, "unsupported", "functions")]
    [InlineData("{" + Good + ",\"modalities\":[\"text\",\"audio\"]}", 400, "unsupported", "modalities[1]")]
    [InlineData("{" + Good + ",\"chat_template_kwargs\":{\"bos_token\":\"a\"}}", 400, "invalid_value", "chat_template_kwargs.bos_token")]
    [InlineData("{" + Good + ",\"model\":\"nope\"}", 404, "model_not_found", "model")]
    public async Task AnErrorNamesItsPlace(string body, int status, string code, string? param)
    {
        var server = plain.Server;
        using var response = await server.PostAsync("/v1/chat/completions", body);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        Assert.Equal((status, code, param), ((int)response.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
        Assert.Matches("^\\S", error.GetProperty("message").GetString()!);
        Assert.NotEmpty(error.GetProperty("type").GetString()!);
    }

    [Theory]
    [InlineData("9223372036854775808")]
    [InlineData("-9223372036854775809")]
    [InlineData("1e999")]
    public async Task AWholeNumberThatIsTooLargeIsRefusedWithItsRange(string seed)
    {
        var server = plain.Server;
        using var json = JsonDocument.Parse(await server.BodyJsonAsync("/v1/chat/completions", $"{{{Good},\"seed\":{seed}}}"));
        Assert.Equal($"seed is {seed}; -9223372036854775808 to 9223372036854775807 are allowed",
            json.RootElement.GetProperty("error").GetProperty("message").GetString());
    }

    [Theory]
    [InlineData("9223372036854775807", "9223372036854775807")]
    [InlineData("-9223372036854775808", "-9223372036854775808")]
    [InlineData("5e18", "5000000000000000000")]
    [InlineData("16.0", "16")]
    public async Task AWholeNumberOf64BitsIsTakenAsItIs(string seed, string told)
    {
        var server = plain.Server;
        using var json = JsonDocument.Parse(await server.BodyJsonAsync("/v1/chat/completions", $"{{{Good},\"max_tokens\":1,\"seed\":{seed}}}"));
        Assert.Equal(told, json.RootElement.GetProperty("kvasir").GetProperty("seed").GetRawText());
    }

    [Theory]
    [InlineData("\"content\":null,\"reasoning_content\":\"r\"")]
    [InlineData("\"reasoning\":\"r\"")]
    [InlineData("\"content\":null,\"refusal\":\"no\"")]
    public async Task AnAnswerThatWasOnlyThoughtIsATurn(string fields)
    {
        using var response = await plain.Server.PostAsync(
            "/v1/chat/completions", $"{{\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"a\"}},{{\"role\":\"assistant\",{fields}}},{{\"role\":\"user\",\"content\":\"b\"}}]}}");
        Assert.True((int)response.StatusCode == 200, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task ArgumentsWithHalfACharacterStayTheTextThatTheyAre()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(Kvasir.Text.ChatTemplate.Parse(MarkedStories.Calls, "calls")));
        using var response = await server.PostAsync(
            "/v1/chat/completions",
            """{"max_tokens":2,"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{\"a\":\"\\ud800\"}"}}]},{"role":"tool","tool_call_id":"x","content":"b"}]}""");
        Assert.True((int)response.StatusCode == 200, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task APromptThatDoesNotFitIsSaidInTheWordsThatAgentsLookFor()
    {
        var server = plain.Server;
        using var response = await server.PostAsync("/v1/chat/completions", $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"{string.Concat(Enumerable.Repeat("Once ", 600))}\"}}]}}");
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        Assert.Equal((400, "context_length_exceeded", 512), ((int)response.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("n_ctx").GetInt32()));
        Assert.Contains("maximum context length is 512 tokens", error.GetProperty("message").GetString());
        Assert.Contains($"{error.GetProperty("n_prompt_tokens").GetInt32()} tokens", error.GetProperty("message").GetString());
        Assert.InRange(error.GetProperty("n_prompt_tokens").GetInt32(), 600, 3000);
    }

    [Fact]
    public async Task APromptThatIsTooLongToBeTokenisedIsSaidToHaveSoManyTokensAtLeast()
    {
        var server = plain.Server;
        async Task<string> MessageOf(int words)
        {
            using var response = await server.PostAsync("/v1/completions", $"{{\"prompt\":\"{string.Concat(Enumerable.Repeat("Once ", words))}\"}}");
            using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
            return json.RootElement.GetProperty("error").GetProperty("message").GetString()!;
        }

        Assert.DoesNotContain("at least", await MessageOf(600), StringComparison.Ordinal);
        Assert.Contains("at least", await MessageOf(60_000), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/chat/completions/input_tokens", "\"messages\":[{\"role\":\"user\",\"content\":\"WORDS\"}]", "maximum context length is 512 tokens")]
    [InlineData("/v1/responses/input_tokens", "\"input\":\"WORDS\"", "maximum context length is 512 tokens")]
    [InlineData("/v1/messages/count_tokens", "\"messages\":[{\"role\":\"user\",\"content\":\"WORDS\"}]", "tokens > 512 maximum")]
    [InlineData("/apply-template", "\"messages\":[{\"role\":\"user\",\"content\":\"WORDS\"}]", "maximum context length is 512 tokens")]
    [InlineData("/tokenize", "\"prompt\":\"WORDS\"", "maximum context length is 512 tokens")]
    [InlineData("/kvasir/prefixes", "\"prompt\":\"WORDS\"", "maximum context length is 512 tokens")]
    public async Task NobodyTokenisesWhatCannotFitByFar(string path, string fields, string words)
    {
        async Task<(int, string)> AskAsync(int count)
        {
            using var response = await plain.Server.PostAsync(path, $"{{{fields.Replace("WORDS", string.Concat(Enumerable.Repeat("Once ", count)), StringComparison.Ordinal)}}}");
            return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
        }

        var (status, refusal) = await AskAsync(60_000);
        Assert.Equal(400, status);
        Assert.Contains(words, refusal);
        Assert.Contains("at least", refusal);
        // What is counted need not fit.
        if (path != "/kvasir/prefixes")
            Assert.Equal(200, (await AskAsync(600)).Item1);
    }

    [Fact]
    public async Task ATextThatIsNoPromptIsTokenisedHoweverLongItIs()
    {
        using var json = JsonDocument.Parse(await plain.Server.BodyJsonAsync("/tokenize", $"{{\"content\":\"{string.Concat(Enumerable.Repeat("Once ", 60_000))}\"}}"));
        Assert.InRange(json.RootElement.GetProperty("tokens").GetArrayLength(), 60_000, 300_000);
    }

    [Fact]
    public async Task AMarkOfUtf8IsNoPartOfABodyAndACompressedBodyIsRefused()
    {
        async Task<(int, string)> SendAsync(byte[] body, string? encoding)
        {
            using var content = new ByteArrayContent(body);
            if (encoding is not null)
                content.Headers.ContentEncoding.Add(encoding);
            using var response = await plain.Server.Client.PostAsync(new Uri("/tokenize", UriKind.Relative), content);
            return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
        }

        byte[] plainBody = [.. "{\"content\":\"a\"}"u8], marked = [0xEF, 0xBB, 0xBF, .. plainBody];
        var expected = await SendAsync(plainBody, null);
        Assert.Equal((200, expected), (expected.Item1, await SendAsync(marked, "identity")));
        var (status, words) = await SendAsync(plainBody, "gzip");
        Assert.Equal(415, status);
        Assert.Contains("content-encoding is 'gzip'", words, StringComparison.Ordinal);
        Assert.Equal(400, (await SendAsync([0xEF, 0xBB, 0xBF], null)).Item1);
    }

    [Theory]
    [InlineData("GET", "/nope", 404, "route_not_found")]
    [InlineData("GET", "/v1/chat/completions", 405, "method_not_allowed")]
    [InlineData("DELETE", "/v1/models", 405, "method_not_allowed")]
    public async Task ARouteThatIsNotThereIsNever200(string method, string path, int status, string code)
    {
        var server = plain.Server;
        using var response = await server.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal((status, code), ((int)response.StatusCode, json.RootElement.GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal(status == 405, response.Content.Headers.Allow.Count > 0);
    }
}
