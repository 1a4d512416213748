using System.Net;
using System.Text.Json;
using Kvasir.Ground;
using Kvasir.Server.Security;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kvasir.Server.Test.Security;

/// <summary>Keys: what a file of them may say, and what a client may do with one.</summary>
public sealed class KeyTest : IDisposable
{
    private const string Keys = """
        # who         key
        alice         alice-secret-1
        bob           bob-secret-22    models=other,more priority=5 running=3 tenant=team
        root          root-secret-3    priority=-5   # goes first
        """;

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kvasir-keys-{Guid.NewGuid():N}");

    public KeyTest() => File.WriteAllText(_path, Keys);

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void ALineSaysWhoAndHow()
    {
        var keys = KeyFile.Read(_path);
        Assert.Equal(["alice", "bob", "root"], keys.Select(static key => key.Name));
        Assert.Equal(("team", 5, 3), (keys[1].Tenant, keys[1].Priority, keys[1].Running));
        Assert.Equal(("alice", 0, null), (keys[0].Tenant, keys[0].Priority, keys[0].Running));
        Assert.Equal(-5, keys[2].Priority);
        Assert.True(keys[0].MayUse("anything"));
        Assert.True(keys[1].MayUse("more"));
        Assert.False(keys[1].MayUse("stories260K"));
    }

    [Fact]
    public async Task AModelThatStaysIsUnloadedByNobodyButAnAdministrator()
    {
        File.WriteAllText(_path, "alice alice-secret-1\nboss boss-secret-22 admin");
        await using var server = await RunningServer.StartAsync(options => options.KeyFile = _path);
        foreach (var (key, status) in ((string, HttpStatusCode)[])[("alice-secret-1", HttpStatusCode.Forbidden), ("boss-secret-22", HttpStatusCode.OK)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/kvasir/models/unload") { Content = new StringContent("{\"model\":\"stories260K\"}") };
            request.Headers.Add("x-api-key", key);
            using var answer = await server.Client.SendAsync(request);
            Assert.Equal((key, status), (key, answer.StatusCode));
        }
    }

    [Theory]
    [InlineData("", "has no key")]
    [InlineData("alice", "line 1: a name and a key belong there")]
    [InlineData("a/b secret-key-1", "line 1: a name has 1 to 64")]
    [InlineData("alice short", "line 1: the key of 'alice' has 5 characters; 8 to 512")]
    [InlineData("alice secret-key-1\nalice secret-key-2", "line 2: the name 'alice' is there twice")]
    [InlineData("alice secret-key-1\n\nbob secret-key-1", "line 3: the key of 'bob' is that of 'alice' too")]
    [InlineData("alice secret-key-1 priority=101", "priority is '101'; -100 to 100")]
    [InlineData("alice secret-key-1 running=0", "running is '0'; 1 to 1024")]
    [InlineData("alice secret-key-1 colour=red", "'colour=red' is not models=")]
    public void AWrongLineIsNamedAndItsKeyIsNot(string text, string expected)
    {
        File.WriteAllText(_path, text);
        var problem = Assert.Throws<KvasirException>(() => KeyFile.Read(_path));
        Assert.Contains(expected, problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-key", problem.Message, StringComparison.Ordinal);
    }

    // As every other text that is read: what an editor makes of it is understood, and what is no text is refused and not guessed at.
    [Fact]
    public void KeysAreReadByTheRuleForTexts()
    {
        foreach (var encoding in new System.Text.Encoding[] { new System.Text.UTF8Encoding(true), System.Text.Encoding.Unicode })
        {
            File.WriteAllText(_path, "alice secret-key-1\r\nbob secret-key-2\r\n", encoding);
            Assert.Equal(["alice", "bob"], KeyFile.Read(_path).Select(static key => key.Name));
        }

        File.WriteAllBytes(_path, [.. "alice secret-key-1 tenant="u8, 0xFF]);
        Assert.Equal(
            $"the key file cannot be read: {_path}:1: is not UTF-8 at byte 26; text in UTF-8, or in UTF-16 with a byte order mark, can be read",
            Assert.Throws<KvasirException>(() => KeyFile.Read(_path)).Message);
    }

    [Theory]
    [InlineData("Bearer alice-secret-1", null, HttpStatusCode.OK)]
    [InlineData("bearer alice-secret-1", null, HttpStatusCode.OK)]
    [InlineData(null, "alice-secret-1", HttpStatusCode.OK)]
    [InlineData("Bearer alice-secret-1", "alice-secret-1", HttpStatusCode.OK)]
    [InlineData("Bearer alice-secret-1", "root-secret-3", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer nobody", "alice-secret-1", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer alice-secret-", null, HttpStatusCode.Unauthorized)]
    [InlineData("Bearer alice-secret-11", null, HttpStatusCode.Unauthorized)]
    [InlineData("Basic alice-secret-1", null, HttpStatusCode.Unauthorized)]
    [InlineData("Bearer", null, HttpStatusCode.Unauthorized)]
    [InlineData(null, null, HttpStatusCode.Unauthorized)]
    public async Task OnlyAKeyOpensAndTwoHaveToBeTheSame(string? bearer, string? own, HttpStatusCode expected)
    {
        await using var server = await StartAsync();
        using var response = await AskAsync(server, "/v1/models", bearer, own);
        Assert.Equal(expected, response.StatusCode);
        if (expected == HttpStatusCode.OK)
            return;
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
        Assert.Equal(("authentication_error", "invalid_api_key"), (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
        Assert.DoesNotContain("secret", error.GetProperty("message").GetString()!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/health", HttpStatusCode.OK)]
    [InlineData("/ready", HttpStatusCode.OK)]
    [InlineData("/v1/models", HttpStatusCode.Unauthorized)]
    [InlineData("/v1/models/", HttpStatusCode.Unauthorized)]
    [InlineData("/V1/Models", HttpStatusCode.Unauthorized)]
    [InlineData("//v1/models", HttpStatusCode.Unauthorized)]
    [InlineData("/health/../v1/models", HttpStatusCode.Unauthorized)]
    [InlineData("/nowhere", HttpStatusCode.Unauthorized)]
    public async Task WithoutAKeyOnlyTheStateIsTold(string path, HttpStatusCode expected)
    {
        await using var server = await StartAsync();
        using var connection = new RawConnection(server.Address);
        await connection.SendAsync($"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        await connection.ReadToEndAsync();
        Assert.StartsWith($"HTTP/1.1 {(int)expected} ", connection.Received, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AKeyForOtherModelsMayNeitherUseNorSeeThisOne()
    {
        await using var server = await StartAsync();
        using var list = await AskAsync(server, "/v1/models", "Bearer bob-secret-22", null);
        Assert.Equal("""{"object":"list","data":[]}""", await list.Content.ReadAsStringAsync());
        using var tags = await AskAsync(server, "/api/tags", "Bearer bob-secret-22", null);
        Assert.Equal("""{"models":[]}""", await tags.Content.ReadAsStringAsync());
        using var one = await AskAsync(server, "/v1/models/stories260K", "Bearer bob-secret-22", null);
        Assert.Equal(HttpStatusCode.Forbidden, one.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent("""{"prompt":"Once"}""") };
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer bob-secret-22");
        using var answer = await server.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Contains("the key 'bob' may not use the model stories260K", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFileThatIsReadAgainHoldsFromThenOnUnlessItIsWrong()
    {
        await using var server = await StartAsync();
        var start = server.Services.GetRequiredService<KvasirStart>();
        File.WriteAllText(_path, "carol carol-secret-4");
        Assert.Null(start.ReloadKeys());
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), await StatusesAsync(server));
        File.WriteAllText(_path, "carol");
        Assert.Contains("line 1", start.ReloadKeys(), StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), await StatusesAsync(server));
    }

    [Fact]
    public void WrongKeysOfAnAddressWaitTheirTurn()
    {
        var clock = new HeldClock();
        var pace = new RefusalPace(clock);
        var (mine, other) = (IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2"));
        var waits = Enumerable.Range(0, 5).Select(_ => pace.Take(mine).TotalMilliseconds).ToArray();
        Assert.Equal([0, 100, 200, 300, 400], waits);
        Assert.Equal(0, pace.Take(other).TotalMilliseconds);
        clock.Now += TimeSpan.FromMilliseconds(450);
        Assert.Equal(50, pace.Take(mine).TotalMilliseconds);
        for (var i = 0; i < 1000; i++)
            Assert.InRange(pace.Take(mine), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    private static async Task<(HttpStatusCode Alice, HttpStatusCode Carol)> StatusesAsync(RunningServer server)
    {
        using var alice = await AskAsync(server, "/v1/models", "Bearer alice-secret-1", null);
        using var carol = await AskAsync(server, "/v1/models", "Bearer carol-secret-4", null);
        return (alice.StatusCode, carol.StatusCode);
    }

    private Task<RunningServer> StartAsync() => RunningServer.StartAsync(options => options.KeyFile = _path);

    private static Task<HttpResponseMessage> AskAsync(RunningServer server, string path, string? bearer, string? own)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (bearer is not null)
            request.Headers.TryAddWithoutValidation("Authorization", bearer);
        if (own is not null)
            request.Headers.TryAddWithoutValidation("x-api-key", own);
        return server.Client.SendAsync(request);
    }

    private sealed class HeldClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
