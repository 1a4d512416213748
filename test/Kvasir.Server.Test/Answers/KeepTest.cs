using System.Net;
using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>How long requests of other dialects say that they are worth keeping: all of them, with their answers.</summary>
public sealed class KeepTest(PlainServer plain) : IClassFixture<PlainServer>
{
    private static readonly string Prompt = string.Join(',', Enumerable.Range(0, 100).Select(static i => 3 + (i % 400)));

    [Theory]
    [InlineData("\"kvasir\":{\"keep_s\":60}", 128)]
    [InlineData("\"prompt_cache_retention\":\"24h\"", 128)]
    [InlineData("\"prompt_cache_retention\":\"in_memory\"", 0)]
    [InlineData("\"prompt_cache_options\":{\"ttl\":\"5m\"}", 128)]
    [InlineData("\"kvasir\":{\"cache\":\"off\",\"keep_s\":60}", 0)]
    [InlineData("\"user\":\"u\"", 0)]
    public async Task AWholeRequestIsKeptWhereItSaysSo(string field, int kept)
    {
        await using var server = await RunningServer.StartAsync();
        using var answer = await server.PostAsync("/v1/completions", $"{{\"prompt\":[{Prompt}],\"max_tokens\":40,\"ignore_eos\":true,{field}}}");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(kept, server.Engine.Prefixes.KeptTokens);
        Assert.Contains($"kvasir_prefix_tokens_kept{{model=\"stories260K\"}} {kept}", await server.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"kvasir\":{\"keep_s\":0}", "kvasir.keep_s is 0; 1 to 2073600")]
    [InlineData("\"kvasir\":{\"keep_s\":2073601}", "kvasir.keep_s is 2073601; 1 to 2073600")]
    [InlineData("\"prompt_cache_retention\":\"48h\"", "prompt_cache_retention is '48h'")]
    [InlineData("\"prompt_cache_options\":{\"ttl\":\"5d\"}", "prompt_cache_options.ttl is '5d'; 1s to 576h")]
    [InlineData("\"prompt_cache_options\":{\"ttl\":\"577h\"}", "prompt_cache_options.ttl is '577h'; 1s to 576h")]
    [InlineData("\"prompt_cache_options\":{\"ttl\":\"\"}", "prompt_cache_options.ttl is ''; 1s to 576h")]
    public async Task ATimeThatIsNoneIsRefused(string field, string words)
    {
        var server = plain.Server;
        using var answer = await server.PostAsync("/v1/completions", $"{{\"prompt\":[{Prompt}],\"max_tokens\":1,{field}}}");
        using var error = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(words, error.RootElement.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    // What a client sends back as text is cut into tokens anew: 'the' for 't', 'h', 'e'.
    [Fact]
    public async Task APromptInOtherTokensOfTheSameTextIsCounted()
    {
        await using var server = await RunningServer.StartAsync();
        var tokenizer = server.Engine.Model.Tokenizer;
        var whole = tokenizer.Find("\u2581the")!.Value;
        int[] parts = [.. ((string[])["\u2581", "t", "h", "e"]).Select(piece => tokenizer.Find(piece)!.Value)];
        int[] before = [.. Enumerable.Range(0, 40).Select(static i => 300 + i)], behind = [.. Enumerable.Range(0, 60).Select(static i => 310 + i)];
        foreach (var (prompt, count) in (((int[], int)[])[([.. before, .. parts, .. behind], 0), ([.. before, whole, .. behind], 1), ([.. before, whole, .. behind], 1)]))
        {
            await server.BodyJsonAsync("/v1/completions", $"{{\"prompt\":[{string.Join(',', prompt)}],\"max_tokens\":1}}");
            Assert.Contains($"kvasir_prefix_retokenised_total{{model=\"stories260K\"}} {count}", await server.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
        }
    }
}
