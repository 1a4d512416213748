using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>What answers say of the rows that were there, and of the rows that had to be given back. Rows are shared in columns of 32 tokens.</summary>
public sealed class CacheUseTest
{
    private static readonly string Prompt = string.Join(',', Enumerable.Range(0, 100).Select(static i => 3 + (i % 400)));
    private static readonly string Turned = string.Join(',', Enumerable.Range(0, 100).Select(static i => i == 70 ? 3 : 3 + (i % 400)));

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task APromptIsWrittenOnceReadThenAndSaysWhereItWentAnotherWay()
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal((0, 96, null), await UseAsync(server, Prompt));
        Assert.Equal((96, 0, null), await UseAsync(server, Prompt));
        Assert.Equal((64, 32, 70), await UseAsync(server, Turned));
        Assert.Equal((0, 0, null), await UseAsync(server, Prompt, "\"kvasir\":{\"cache\":\"off\"},"));
    }

    [Fact]
    public async Task InAnthropicsDialectTheThreeKindsOfInputAddUp()
    {
        await using var server = await RunningServer.StartAsync();
        var text = string.Concat(Enumerable.Repeat("Once upon a time ", 20));
        var body = $"{{\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}";
        using var counted = JsonDocument.Parse(await server.BodyJsonAsync("/v1/messages/count_tokens", body));
        var all = counted.RootElement.GetProperty("input_tokens").GetInt32();
        foreach (var isSecond in new[] { false, true })
        {
            using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/messages", body));
            var usage = answer.RootElement.GetProperty("usage");
            var (read, written, rest) = (Number(usage, "cache_read_input_tokens"), Number(usage, "cache_creation_input_tokens"), Number(usage, "input_tokens"));
            Assert.Equal(all, read + written + rest);
            Assert.Equal(isSecond ? (all - 1) / 32 * 32 : 0, read);
            Assert.Equal(isSecond ? 0 : all / 32 * 32, written + ((all % 32 == 0 && isSecond) ? -32 : 0));
        }
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("/v1/completions", "\"prompt\":[{0}],\"max_tokens\":1")]
    [InlineData("/v1/completions", "\"prompt\":[{0}],\"max_tokens\":1,\"stream\":true,\"stream_options\":{\"include_usage\":true}")]
    [InlineData("/v1/responses", "\"input\":\"Once upon a time Once upon a time Once upon a time Once upon a time\",\"max_output_tokens\":1")]
    public async Task AServerThatIsToldToSaysNothingOfWhatWasThere(string path, string body)
    {
        body = "{" + body.Replace("{0}", Prompt, StringComparison.Ordinal) + "}";
        foreach (var hides in new[] { false, true })
        {
            await using var server = await RunningServer.StartAsync(options => options.HidesCacheUse = hides);
            await server.BodyJsonAsync(path, body);
            using var answer = await server.PostAsync(path, body);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.NotEqual(hides, text.Contains("cached_tokens", StringComparison.Ordinal));
            Assert.True(!hides || !text.Contains("tier_ram", StringComparison.Ordinal), text);
            Assert.True(!hides || !answer.Headers.Contains("x-kvasir-cached-tokens"));
            Assert.True(!hides || !text.Contains("\"cache_n\":96", StringComparison.Ordinal), text);
        }
    }

    // Headers do not wait long, and a busy machine may take longer: then they say nothing, and never anything else.
    [Fact]
    public async Task AStreamSaysInItsHeadersWhatWasThereOfItsPrompt()
    {
        await using var server = await RunningServer.StartAsync();
        await UseAsync(server, Prompt);
        for (var tries = 0; ; tries++)
        {
            using var stream = await server.PostAsync("/v1/completions", $"{{\"prompt\":[{Prompt}],\"max_tokens\":1,\"stream\":true}}");
            var said = stream.Headers.TryGetValues("x-kvasir-cached-tokens", out var values) ? values.Single() : null;
            Assert.True(said is "96" || (said is null && tries < 100), $"{said} after {tries} tries");
            if (said is not null)
                return;
        }
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AnswersSayHowOftenTheyGaveTheirMemoryBackAndWhatThatCost()
    {
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.KvMemoryBytes) = (4096, 1 << 20));
        var most = (int)server.Engine.Plan.TokensThatFit * 2 / 5;
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => server.BodyJsonAsync(
            "/v1/completions", $"{{\"prompt\":[{i + 3},{Prompt}],\"ignore_eos\":true,\"max_tokens\":{Math.Min(most, 3900)}}}")));
        var timings = answers.Select(static answer => JsonDocument.Parse(answer).RootElement.GetProperty("timings")).ToArray();
        var figures = server.Engine.Figures;
        Assert.True(figures.Preemptions > 0);
        Assert.Equal(figures.Preemptions, timings.Sum(static timing => Number(timing, "preempted")));
        Assert.Equal(figures.RecomputedRows, timings.Sum(static timing => Number(timing, "recomputed_n")));
    }

    private static async Task<(int Read, int Written, int? DivergedAt)> UseAsync(RunningServer server, string prompt, string more = "")
    {
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{{more}\"prompt\":[{prompt}],\"max_tokens\":1}}"));
        var details = answer.RootElement.GetProperty("usage").GetProperty("prompt_tokens_details");
        var cache = answer.RootElement.GetProperty("kvasir").GetProperty("cache");
        Assert.Equal(Number(details, "cached_tokens"), Number(cache, "tier_ram"));
        var place = cache.GetProperty("diverged_at");
        return (Number(details, "cached_tokens"), Number(details, "cache_write_tokens"), place.ValueKind == JsonValueKind.Null ? null : place.GetInt32());
    }

    private static int Number(JsonElement json, string name) => json.GetProperty(name).GetInt32();
}
