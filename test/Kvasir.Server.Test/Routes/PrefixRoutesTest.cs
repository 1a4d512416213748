using System.Net;
using System.Text;
using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Routes;

/// <summary>Prompts that are pinned over HTTP: computed once, found by their tenant alone, and seen by nobody else.</summary>
public sealed class PrefixRoutesTest : IDisposable
{
    private const string Route = "/kvasir/prefixes";
    private readonly string _keys = Path.Combine(Path.GetTempPath(), $"kvasir-keys-{Guid.NewGuid():N}");

    public PrefixRoutesTest() => File.WriteAllText(
        _keys, "alice alice-secret-1 admin\nbob bob-secret-22 tenant=team\ncarol carol-secret-4 tenant=team admin\n");

    public void Dispose() => File.Delete(_keys);

    [Fact]
    public async Task APinnedPromptIsComputedOnceAndItsTenantAloneFindsItAndSeesIt()
    {
        await using var server = await RunningServer.StartAsync(options => options.KeyFile = _keys);
        var pinned = await SendAsync(server, HttpMethod.Post, Route, "carol", $"{{\"name\":\"story\",\"ttl_s\":3600,\"prompt\":\"{Story('a')}\"}}");
        var (id, tokens) = (pinned.GetProperty("id").GetString()!, pinned.GetProperty("tokens").GetInt32());
        Assert.Equal(("prefix", "story", "stories260K"), (pinned.GetProperty("object").GetString(), pinned.GetProperty("name").GetString(), pinned.GetProperty("model").GetString()));
        Assert.Equal((0, true), (tokens % 32, tokens > 100));
        Assert.Equal(3600, pinned.GetProperty("expires").GetInt64() - pinned.GetProperty("created").GetInt64(), 2.0);
        Assert.Equal(tokens, server.Engine.Prefixes.PinnedTokens);
        Assert.Equal((tokens, 0), (await CachedAsync(server, "bob", 'a'), await CachedAsync(server, "alice", 'a')));

        Assert.Equal([id], await IdsAsync(server, "bob"));
        Assert.Equal([id], await IdsAsync(server, "carol"));
        Assert.Empty(await IdsAsync(server, "alice"));
        await RefusedAsync(server, HttpMethod.Delete, $"{Route}/{id}", "alice", null, HttpStatusCode.NotFound, "prefix_not_found");
        await RefusedAsync(server, HttpMethod.Delete, $"{Route}/{id}", "bob", null, HttpStatusCode.Forbidden, "forbidden");
        await RefusedAsync(server, HttpMethod.Post, Route, "bob", "{\"prompt\":\"x\"}", HttpStatusCode.Forbidden, "forbidden");
        Assert.True((await SendAsync(server, HttpMethod.Delete, $"{Route}/{id}", "carol", null)).GetProperty("deleted").GetBoolean());
        Assert.Empty(await IdsAsync(server, "carol"));
        await RefusedAsync(server, HttpMethod.Delete, $"{Route}/{id}", "carol", null, HttpStatusCode.NotFound, "prefix_not_found");
        // With the engine's next step.
        await CachedAsync(server, "bob", 'b');
        Assert.Equal(0, server.Engine.Prefixes.PinnedTokens);
    }

    [Fact]
    public async Task WhatIsSharedIsFoundByEveryTenantAndWhatFollowsItByItsOwn()
    {
        await using var server = await RunningServer.StartAsync(options => options.KeyFile = _keys);
        await RefusedAsync(server, HttpMethod.Post, Route, "bob", "{\"prompt\":\"x\",\"shared\":true}", HttpStatusCode.Forbidden, "forbidden");
        var pinned = await SendAsync(server, HttpMethod.Post, Route, "carol", $"{{\"shared\":true,\"prompt\":\"{Story('a')}\"}}");
        var tokens = pinned.GetProperty("tokens").GetInt32();
        Assert.True(pinned.GetProperty("shared").GetBoolean() && tokens > 100);
        Assert.Equal((tokens, tokens), (await CachedAsync(server, "alice", 'a'), await CachedAsync(server, "bob", 'a')));
        // It is its maker's to see and to let go.
        Assert.Empty(await IdsAsync(server, "alice"));
        Assert.Single(await IdsAsync(server, "carol"));
    }

    [Fact]
    public async Task WhatIsPinnedStaysWhenOthersWantTheMemoryAndIsBounded()
    {
        await using var server = await RunningServer.StartAsync(options => options.KvMemoryBytes = 1 << 20);
        var pinned = await SendAsync(server, HttpMethod.Post, Route, null, $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"{Story('a')}\"}}]}}");
        for (var other = 'b'; other < 'j'; other++)
            await CachedAsync(server, null, other);
        Assert.True(server.Engine.Prefixes.EvictedColumns > 0);
        Assert.InRange(await CachedAsync(server, null, 'a'), pinned.GetProperty("tokens").GetInt32() - 32, pinned.GetProperty("tokens").GetInt32());
        Assert.Equal(JsonValueKind.Null, pinned.GetProperty("expires").ValueKind);
        for (var more = 'k'; ; more++)
        {
            Assert.True(more < 'z', "memory has no end");
            using var response = await RequestAsync(server, HttpMethod.Post, Route, null, $"{{\"prompt\":\"{Story(more)}\"}}");
            if (response.StatusCode == HttpStatusCode.OK)
                continue;
            var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
            Assert.Equal((HttpStatusCode.BadRequest, "kv_memory_exceeded"), (response.StatusCode, error.GetProperty("code").GetString()));
            break;
        }

        // Half of the memory is for those who come.
        Assert.InRange(await CachedAsync(server, null, 'i'), 0, 200);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task WhatHasHadItsTimeIsListedNoMore()
    {
        await using var server = await RunningServer.StartAsync();
        await SendAsync(server, HttpMethod.Post, Route, null, $"{{\"ttl_s\":1,\"prompt\":\"{Story('a')}\"}}");
        for (var end = Environment.TickCount64 + 10_000; (await IdsAsync(server, null)).Length > 0;)
            Assert.True(Environment.TickCount64 < end, "it is there after 10 s");
        // An engine that rests lets it go with its next step.
        await CachedAsync(server, null, 'b');
        Assert.Equal(0, server.Engine.Prefixes.PinnedTokens);
    }

    [Theory]
    [InlineData("{\"ttl_s\":60}", "neither prompt nor messages")]
    [InlineData("{\"prompt\":\"Once\"}", "cannot be pinned: at least 32")]
    [InlineData("{\"prompt\":\"Once\",\"ttl_s\":0}", "ttl_s is 0; 1 to")]
    [InlineData("{\"prompt\":\"Once\",\"name\":\"\"}", "name has 0 bytes")]
    [InlineData("{\"prompt\":\"Once\",\"shared\":true,\"cache_salt\":\"s\"}", "cache_salt: a prompt that is shared by all tenants has no salt")]
    [InlineData("{\"prompt\":\"Once\",\"shared\":1}", "shared is a number")]
    [InlineData("{\"prompt\":\"Once\",\"kvasir\":{\"cache\":\"off\"}}", "prefix cache")]
    public async Task WhatCannotBePinnedIsSaid(string body, string expected)
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await RequestAsync(server, HttpMethod.Post, Route, null, body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(expected, await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var wrong = await RequestAsync(server, HttpMethod.Put, Route, null, "{}");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, wrong.StatusCode);
        Assert.Empty(await IdsAsync(server, null));
    }

    private static string Story(char begins) => begins + string.Concat(Enumerable.Repeat(" Tom and Lily went to the big park to play with a red ball.", 8));

    private static async Task<int> CachedAsync(RunningServer server, string? who, char story)
    {
        var answer = await SendAsync(server, HttpMethod.Post, "/v1/completions", who, $"{{\"prompt\":\"{Story(story)}\",\"max_tokens\":4}}");
        return answer.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
    }

    private static async Task<string?[]> IdsAsync(RunningServer server, string? who)
    {
        var list = await SendAsync(server, HttpMethod.Get, Route, who, null);
        return [.. list.GetProperty("data").EnumerateArray().Select(static one => one.GetProperty("id").GetString())];
    }

    private static async Task RefusedAsync(
        RunningServer server, HttpMethod method, string path, string who, string? body, HttpStatusCode status, string code)
    {
        using var response = await RequestAsync(server, method, path, who, body);
        var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
        Assert.Equal((status, code), (response.StatusCode, error.GetProperty("code").GetString()));
    }

    private static async Task<JsonElement> SendAsync(RunningServer server, HttpMethod method, string path, string? who, string? body)
    {
        using var response = await RequestAsync(server, method, path, who, body);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement;
    }

    private static async Task<HttpResponseMessage> RequestAsync(RunningServer server, HttpMethod method, string path, string? who, string? body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        if (who is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {who}-secret-{who switch { "alice" => "1", "bob" => "22", _ => "4" }}");
        return await server.Client.SendAsync(request);
    }
}
