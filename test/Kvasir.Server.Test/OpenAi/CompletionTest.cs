using System.Text.Json;
using Kvasir.Requests.Guessing;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Completions: prompts of every form, and prompts that are scored.</summary>
public sealed class CompletionTest(PlainServer plain) : IClassFixture<PlainServer>
{
    private const string Head = "{\"id\":\"cmpl-I\",\"object\":\"text_completion\",\"created\":C,\"model\":\"stories260K\",\"system_fingerprint\":\"F\",\"choices\":[";

    [Fact]
    public async Task GuessesByTheModelsOwnWeightsAreInTheTimings()
    {
        await using var server = await RunningServer.StartAsync(static options =>
        {
            options.DraftWeights = true;
            options.UseEngine(new EngineOptions { KvMemoryBytes = 64 << 20, SpeculativeTokens = 4, DraftCosts = new DraftCosts(stepMs: 10, rowMs: 0.1, draftMs: 1) });
        });
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", "{\"prompt\":\"Once upon a time\",\"max_tokens\":60,\"temperature\":0}"));
        var timings = answer.RootElement.GetProperty("timings");
        var (guessed, right) = (timings.GetProperty("draft_n").GetInt32(), timings.GetProperty("draft_n_accepted").GetInt32());
        Assert.InRange(right, 1, guessed);
    }

    [Fact]
    public async Task ACompletionIsStreamedToTheByte()
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal(
            ": kvasir\n\n"
            + $"data: {Head}{{\"index\":0,\"text\":\",\",\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
            + $"data: {Head}{{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"length\"}}],\"timings\":T,"
            + "\"kvasir\":{\"attention\":\"dense\",\"keys_read_share\":1,\"kv_type\":\"bf16\",\"cache\":{\"tier_ram\":0,\"diverged_at\":null},\"seed\":7,\"finish\":\"length\"}}\n\n"
            + "data: [DONE]\n\n",
            await server.BodyAsync("/v1/completions", "{\"prompt\":\"Once upon a time\",\"temperature\":0,\"max_tokens\":1,\"seed\":7,\"stream\":true}"));
    }

    [Fact]
    public async Task ARequestMayNameAPairOfPolicies()
    {
        await using var server = await RunningServer.StartAsync();
        const string Pair = "quest:share=0.2,page=8,recent=8,dense-layers=none,min-context=0+streaming:recent=40,min-context=0";
        Assert.Contains($"\"attention\":\"{Pair}\"", await AnswerAsync(Pair));
        Assert.Contains("'quest+h2o' is no pair", await AnswerAsync("quest+h2o"));

        async Task<string> AnswerAsync(string policy)
        {
            var request = $"{{\"prompt\":\"Once upon a time\",\"max_tokens\":90,\"ignore_eos\":true,\"kvasir\":{{\"attention\":\"{policy}\"}}}}";
            return (await server.BodyAsync("/v1/completions", request)).Replace("\\u002B", "+", StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task PromptsAreTextsOrTokensAndAnswersCountThroughThem()
    {
        await using var server = await RunningServer.StartAsync();
        using var tokens = JsonDocument.Parse(await server.BodyAsync("/tokenize", "{\"prompt\":\"Once upon a time\"}"));
        var list = tokens.RootElement.GetProperty("tokens").GetRawText();
        var one = await TextsAsync(server, "\"Once upon a time\"");
        Assert.Equal(one, await TextsAsync(server, list));
        var twice = await TextsAsync(server, $"[{list},{list}]");
        Assert.Equal([.. one, .. one], twice);
        var (tom, both) = (await TextsAsync(server, "\"Tom\""), await TextsAsync(server, "[\"Tom\",\"Once upon a time\"]"));
        Assert.Equal([.. tom, .. one], both);
    }

    [Fact]
    public async Task AnEchoedPromptHasTheLogprobsThatItHasAsAnAnswer()
    {
        await using var server = await RunningServer.StartAsync();
        const string Fields = "\"temperature\":0,\"logprobs\":1";
        using var written = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{\"prompt\":\"Once upon a time\",\"max_tokens\":12,{Fields}}}"));
        var answer = written.RootElement.GetProperty("choices")[0];
        var text = answer.GetProperty("text").GetString()!;
        using var scored = JsonDocument.Parse(await server.BodyJsonAsync(
            "/v1/completions", $"{{\"prompt\":{JsonSerializer.Serialize("Once upon a time" + text)},\"max_tokens\":0,\"echo\":true,{Fields}}}"));
        var echo = scored.RootElement.GetProperty("choices")[0];
        Assert.Equal(("Once upon a time" + text, "length"), (echo.GetProperty("text").GetString(), echo.GetProperty("finish_reason").GetString()));
        var logprobs = echo.GetProperty("logprobs").GetProperty("token_logprobs").EnumerateArray().ToArray();
        Assert.Equal(JsonValueKind.Null, logprobs[0].ValueKind);
        var expected = answer.GetProperty("logprobs").GetProperty("token_logprobs").EnumerateArray().ToArray();
        for (var i = 1; i <= expected.Length; i++)
            Assert.Equal(expected[^i].GetDouble(), logprobs[^i].GetDouble(), 0.02);
        Assert.Equal(logprobs.Length, scored.RootElement.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(0, scored.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        var offsets = echo.GetProperty("logprobs").GetProperty("text_offset").EnumerateArray().Select(static offset => offset.GetInt32()).ToArray();
        Assert.Equal((0, 0, "Once upon a time".Length), (offsets[0], offsets[1], offsets[^expected.Length]));
    }

    [Fact]
    public async Task AnEchoStandsBeforeTheAnswerStreamedOrNot()
    {
        await using var server = await RunningServer.StartAsync();
        foreach (var logprobs in new[] { "null", "0" })
        {
            var fields = $"\"prompt\":\"Once upon a time\",\"temperature\":0,\"max_tokens\":2,\"echo\":true,\"logprobs\":{logprobs}";
            Assert.Contains("\"text\":\"Once upon a time, there\"", await server.BodyAsync("/v1/completions", $"{{{fields}}}"));
            Assert.Contains("\"index\":0,\"text\":\"Once upon a time,", await server.BodyAsync("/v1/completions", $"{{{fields},\"stream\":true}}"));
        }
    }

    [Theory]
    [InlineData("{}", "prompt")]
    [InlineData("{\"prompt\":[]}", "prompt")]
    [InlineData("{\"prompt\":[1,512]}", "prompt[1]")]
    [InlineData("{\"prompt\":[[1],[\"a\"]]}", "prompt[1][0]")]
    [InlineData("{\"prompt\":\"a\",\"max_tokens\":0}", "max_tokens")]
    [InlineData("{\"prompt\":\"a\",\"logprobs\":21}", "logprobs")]
    [InlineData("{\"prompt\":\"a\",\"best_of\":2}", "best_of")]
    [InlineData("{\"prompt\":\"a\",\"suffix\":\"b\"}", "suffix")]
    public async Task AnErrorNamesItsPlace(string body, string param)
    {
        var server = plain.Server;
        using var response = await server.PostAsync("/v1/completions", body);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal((400, param), ((int)response.StatusCode, json.RootElement.GetProperty("error").GetProperty("param").GetString()));
    }

    private static async Task<string?[]> TextsAsync(RunningServer server, string prompt)
    {
        using var json = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{\"prompt\":{prompt},\"temperature\":0,\"max_tokens\":8}}"));
        return [.. json.RootElement.GetProperty("choices").EnumerateArray().Select(static choice => choice.GetProperty("text").GetString())];
    }
}
