using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Security;

/// <summary>Whose rows a request finds: those of its key's tenant, and nobody else's.</summary>
public sealed class TenantTest : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kvasir-keys-{Guid.NewGuid():N}");

    public TenantTest() => File.WriteAllText(_path, "alice alice-secret-1\nbob bob-secret-22 tenant=team\ncarol carol-secret-4 tenant=team\n");

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task RowsAreSharedWithinATenantAlone()
    {
        await using var server = await RunningServer.StartAsync(options => options.KeyFile = _path);
        var first = await CachedAsync(server, "bob-secret-22");
        var again = await CachedAsync(server, "bob-secret-22");
        var colleague = await CachedAsync(server, "carol-secret-4");
        var stranger = await CachedAsync(server, "alice-secret-1");
        Assert.Equal(0, first);
        Assert.InRange(again, 32, 200);
        Assert.Equal((again, 0), (colleague, stranger));
    }

    [Fact]
    public async Task ASaltNarrowsThatAndWhoWantsNoneGetsNone()
    {
        await using var server = await RunningServer.StartAsync(options => options.KeyFile = _path);
        var first = await CachedAsync(server, "bob-secret-22", "\"cache_salt\":\"one\",");
        var again = await CachedAsync(server, "carol-secret-4", "\"cache_salt\":\"one\",");
        var other = await CachedAsync(server, "bob-secret-22", "\"cache_salt\":\"two\",");
        var stranger = await CachedAsync(server, "alice-secret-1", "\"cache_salt\":\"one\",");
        var unwilling = await CachedAsync(server, "bob-secret-22", "\"cache_salt\":\"one\",\"kvasir\":{\"cache\":\"off\"},");
        Assert.InRange(again, 32, 200);
        Assert.Equal((0, 0, 0, 0), (first, other, stranger, unwilling));
    }

    private static async Task<int> CachedAsync(RunningServer server, string key, string fields = "")
    {
        var story = string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 8));
        using var request = new HttpRequestMessage(HttpMethod.Post,
            "/v1/completions")
        { Content = new StringContent($"{{{fields}\"prompt\":\"{story}\",\"max_tokens\":4}}") };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        using var response = await server.Client.SendAsync(request);
        var usage = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("usage");
        return usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
    }
}
