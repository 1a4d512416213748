using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Routes;

/// <summary>Routes for people who look on: what holds here, who is served, what goes on, and whether it moves.</summary>
public sealed class ViewRoutesTest : IDisposable
{
    private const string Endless = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":true,\"priority\":7}";
    private readonly string _keys = Path.Combine(Path.GetTempPath(), $"kvasir-keys-{Guid.NewGuid():N}");

    public ViewRoutesTest() => File.WriteAllText(_keys, "alice alice-secret-1\nbob bob-secret-22 tenant=alice\ncarol carol-secret-4\n");

    public void Dispose() => File.Delete(_keys);

    [Fact]
    public async Task PropsSayWhatHoldsHere()
    {
        await using var server = await RunningServer.StartAsync(static options => (options.MaxSequences, options.MaxQueue, options.StepMs) = (3, 5, 70));
        var props = await JsonAsync(server, "/props");
        Assert.Equal(("stories260K", "{{ messages[-1].content }}"), (props.GetProperty("model").GetString(), props.GetProperty("chat_template").GetString()));
        Assert.Equal(("dense", "options", "bf16"),
            (Text(props, "attention", "policy"), Text(props, "attention", "chosen_by"), Text(props, "attention", "kv_type")));
        Assert.Equal((3, 5, 70), (Number(props, "limits", "max_sequences"), Number(props, "limits", "max_queue"), Number(props, "limits", "step_ms")));
        Assert.Equal(server.Engine.Plan.TokensThatFit, Number(props, "memory", "tokens_that_fit"));
        Assert.Equal(40, Number(props, "sampling", "top_k"));
        Assert.False(props.GetProperty("caps").GetProperty("tools").GetBoolean());
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task SlotsShowWhoWaitsAndWhoComputesToTheirOwnTenant()
    {
        await using var server = await RunningServer.StartAsync(options =>
            (options.KeyFile, options.ContextTokens, options.KvMemoryBytes, options.MaxSequences) = (_keys, 200_000, 1L << 30, 1));
        using var computes = await AskAsync(server, "alice-secret-1", Endless);
        await server.UntilAsync(static engine => engine.Figures.DecodeRows > 10);
        using var waits = await AskAsync(server, "bob-secret-22", Endless);
        await server.UntilAsync(static engine => engine.WaitingCount == 1);
        var slots = await JsonAsync(server, "/slots", "bob-secret-22");
        Assert.Equal(["decode", "queued"], slots.EnumerateArray().Select(static slot => slot.GetProperty("state").GetString()));
        Assert.Equal([null, "place"], slots.EnumerateArray().Select(static slot => slot.GetProperty("waits_for").GetString()));
        Assert.Equal(1, slots[1].GetProperty("position").GetInt32());
        Assert.Equal(["alice", "bob"], slots.EnumerateArray().Select(static slot => slot.GetProperty("key").GetString()));
        Assert.True(slots[0].GetProperty("n_decoded").GetInt32() > 10);
        Assert.True(slots[0].GetProperty("kv_bytes").GetInt64() > 0);
        Assert.Equal((7, 0), (slots[0].GetProperty("priority").GetInt32(), slots[1].GetProperty("n_processed").GetInt32()));
        Assert.Empty((await JsonAsync(server, "/slots", "carol-secret-4")).EnumerateArray());
        using var full = await SendAsync(server, "/slots?fail_on_no_slot=1", "carol-secret-4");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, full.StatusCode);
    }

    // With its rows on file it waits like any other.
    [Theory]
    [InlineData(null)]
    [InlineData(PageEviction.Vllm)]
    [Trait("Needs", "Minutes")]
    public async Task SlotsShowWhoGaveItsMemoryBack(PageEviction? eviction)
    {
        var directory = Directory.CreateTempSubdirectory("kvasir-slots-");
        try
        {
            await using var server = await RunningServer.StartAsync(options => options.UseEngine(new EngineOptions
            {
                KvDirectory = eviction is null ? null : directory.FullName,
                KvEviction = eviction ?? PageEviction.Counted,
                KvDiskBytes = eviction is null ? 0 : 1L << 30,
                // Whoever has it alone decodes thousands of tokens before it is full: time to look.
                KvMemoryBytes = 4 << 20,
                ContextTokens = 100_000,
                Threads = 1,
            }));
            using var first = await AskAsync(server, "none", Endless);
            using var second = await AskAsync(server, "none", Endless.Replace(":7", ":8", StringComparison.Ordinal));
            await server.UntilAsync(static engine => engine.Figures.Preemptions > 0 && engine.WaitingCount == 1);
            var slots = (await JsonAsync(server, "/slots")).EnumerateArray().ToArray();
            Assert.Equal(["decode", "preempted"], slots.Select(static slot => slot.GetProperty("state").GetString()));
            Assert.Equal([true, false], slots.Select(static slot => slot.GetProperty("waits_for").GetString() is null));
            Assert.Equal((1, eviction is not null), (slots[1].GetProperty("position").GetInt32(), slots[1].GetProperty("n_processed").GetInt32() > 0));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SlotsShowTextsWhereTheServerIsToldTo(bool shows)
    {
        await using var server = await RunningServer.StartAsync(options =>
            (options.SlotsText, options.ContextTokens, options.KvMemoryBytes) = (shows, 200_000, 1L << 30));
        using var stream = new RawConnection(server.Address);
        await stream.PostAsync("/v1/chat/completions", Endless);
        Assert.True(await stream.ReadUntilAsync("delta"));
        var slot = (await JsonAsync(server, "/slots")).EnumerateArray().Single();
        Assert.Equal(shows ? "Once upon a time" : null, slot.TryGetProperty("prompt", out var prompt) ? prompt.GetString() : null);
        Assert.Equal(shows, slot.TryGetProperty("generated", out var generated) && generated.GetString()!.Length > 0);
    }

    [Fact]
    public async Task AServerThatLoadsIsNotReadyAndSaysHowFarItIs()
    {
        using var isAsked = new ManualResetEventSlim();
        var shares = new List<double>();
        await using var server = await RunningServer.StartAsync(
            options => options.UseModel(settings =>
            {
                var model = Model.Load("stories260K", settings with { Progress = share => shares.Add(share) });
                settings.Progress!(0.25);
                isAsked.Wait();
                return model;
            }),
            waits: false);
        using (var ready = await server.UntilStatusAsync("/ready", HttpStatusCode.ServiceUnavailable))
            Assert.Contains("\"status\":\"loading\"", await ready.Content.ReadAsStringAsync());
        await Soon.SeenAsync(() => ProgressAsync(server), static progress => progress == 0.25, static progress => $"a progress of {progress}");
        isAsked.Set();
        (await server.UntilStatusAsync("/ready", HttpStatusCode.OK)).Dispose();
        Assert.Equal(1, shares[^1]);
        Assert.Equal(shares.Order(), shares);
    }

    [Fact]
    public async Task EventsTellWhatGoesOnFourTimesASecond()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(clock: clock);
        using var events = new RawConnection(server.Address);
        await events.SendAsync("GET /kvasir/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Assert.True(await events.ReadUntilAsync("event: figures\ndata: {"));
        (await server.PostAsync("/v1/completions", "{\"prompt\":\"Once upon a time\",\"max_tokens\":4,\"ignore_eos\":true}")).Dispose();
        await PrometheusSamples.UntilAsync(server, static all => all.Sum("kvasir_requests_finished_total") == 1);
        await events.AdvanceUntilAsync(clock, TimeSpan.FromMilliseconds(50), "\"decode_rows\":3");
        var times = Regex.Matches(events.Received, "\"time\":\"([^\"]+)\"").Select(static match => DateTimeOffset.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).ToArray();
        // The clock may have gone on before the next wait began.
        Assert.InRange((times[1] - times[0]).TotalMilliseconds, 250, 900);
        Assert.True(await events.ReadUntilAsync("\"slots\":[]}\n\n"));
        var last = events.Received[events.Received.LastIndexOf("data: {", StringComparison.Ordinal)..];
        using var json = JsonDocument.Parse(last[6..last.IndexOf('\n', StringComparison.Ordinal)]);
        var policy = Assert.Single(json.RootElement.GetProperty("policies").EnumerateArray());
        Assert.Equal(("dense", 1), (policy.GetProperty("policy").GetString(), policy.GetProperty("keys_read_share")[0].GetDouble()));
        Assert.Equal(1, json.RootElement.GetProperty("first_token_ms").GetProperty("count").GetInt32());
    }

    [Fact]
    public async Task WhoLooksOnDoesNotHoldUpTheEndOfTheServer()
    {
        await using var server = await RunningServer.StartAsync();
        using var events = new RawConnection(server.Address);
        await events.SendAsync("GET /kvasir/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Assert.True(await events.ReadUntilAsync("event: figures"));
        await server.StopAsync().WaitAsync(TimeSpan.FromSeconds(10));
        await events.ReadToEndAsync();
        Assert.EndsWith("0\r\n\r\n", events.Received, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnEngineThatStandsStillForTwoMinutesIsUnwellAndOneThatRestsIsNot()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(clock: clock);
        clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal((HttpStatusCode.OK, "ok"), await HealthAsync(server));
        using var held = await HeldEngine.HoldAsync(server);
        Assert.Equal((HttpStatusCode.OK, "ok"), await HealthAsync(server));
        clock.Advance(TimeSpan.FromSeconds(119));
        Assert.Equal((HttpStatusCode.OK, "ok"), await HealthAsync(server));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "stuck"), await HealthAsync(server));
        held.Release();
        await server.UntilAsync(static engine => engine.RunningCount == 0);
        Assert.Equal((HttpStatusCode.OK, "ok"), await HealthAsync(server));
    }

    private static async Task<double?> ProgressAsync(RunningServer server)
    {
        using var answer = await server.Client.GetAsync(new Uri("/ready", UriKind.Relative));
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return json.RootElement.TryGetProperty("progress", out var progress) ? progress.GetDouble() : null;
    }

    private static async Task<(HttpStatusCode Status, string? State)> HealthAsync(RunningServer server)
    {
        using var answer = await server.Client.GetAsync(new Uri("/health", UriKind.Relative));
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("status").GetString());
    }

    private static async Task<JsonElement> JsonAsync(RunningServer server, string path, string? key = null)
    {
        using var answer = await SendAsync(server, path, key);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
    }

    private static Task<HttpResponseMessage> AskAsync(RunningServer server, string key, string body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(body) };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        return server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private static Task<HttpResponseMessage> SendAsync(RunningServer server, string path, string? key)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        return server.Client.SendAsync(request);
    }

    private static string? Text(JsonElement json, string part, string name) => json.GetProperty(part).GetProperty(name).GetString();

    private static long Number(JsonElement json, string part, string name) => json.GetProperty(part).GetProperty(name).GetInt64();
}
