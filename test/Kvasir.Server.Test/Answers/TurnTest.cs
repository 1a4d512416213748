using System.Net;
using System.Text.Json;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Answers;

/// <summary>Who computes, who waits and for how long: what requests, keys and the server say about turns.</summary>
public sealed class TurnTest : IDisposable
{
    private const string Late = "\"kvasir\":{\"deadline_ms\":500}";
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]";
    private const string Endless = $"{{{Messages},\"ignore_eos\":true,\"stream\":true}}";
    private readonly string _keys = Path.Combine(Path.GetTempPath(), $"kvasir-keys-{Guid.NewGuid():N}");

    public TurnTest() => File.WriteAllText(_keys, "alice alice-secret-1 running=1\nbob bob-secret-22 priority=-20\nslow slow-secret-3 priority=5\n");

    public void Dispose() => File.Delete(_keys);

    [Theory]
    [InlineData("/v1/chat/completions", $"{{{Messages},\"max_tokens\":3,{Late}}}", "\"code\":\"deadline_exceeded\"")]
    [InlineData("/v1/completions", $"{{\"prompt\":\"Once\",\"max_tokens\":3,{Late}}}", "\"code\":\"deadline_exceeded\"")]
    [InlineData("/v1/messages", $"{{{Messages},\"max_tokens\":3,{Late}}}", "\"type\":\"timeout_error\"")]
    [InlineData("/api/chat", $"{{{Messages},\"stream\":false,{Late}}}", "{\"error\":\"the deadline of 500 ms passed")]
    public async Task ADeadlineShorterThanTheQueueIs504AndNothingIsComputed(string path, string body, string words)
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(options => options.UseEngine(OneSequence(clock)), clock);
        using var held = await HeldEngine.HoldAsync(server);
        var waiting = server.PostAsync(path, body);
        await server.UntilAsync(static engine => engine.WaitingCount == 1);
        clock.Advance(TimeSpan.FromSeconds(1));
        held.Release();
        using var late = await waiting;
        var text = await late.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.GatewayTimeout, late.StatusCode);
        Assert.Equal("false", late.Headers.GetValues("x-should-retry").Single());
        Assert.Contains(words, text);
        Assert.Contains("in the queue, and nothing of it was computed", text);
        // The one row is that of the sequence which held the engine.
        Assert.Equal((1, 1), (server.Engine.Figures.PromptRows, server.Engine.Figures.LateWaiting));
    }

    [Fact]
    public async Task AStreamThatIsLateSaysSoAndHasNoTokenAndNoEnd()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(options => options.UseEngine(OneSequence(clock)), clock);
        using var held = await HeldEngine.HoldAsync(server);
        using var stream = new RawConnection(server.Address);
        await stream.PostAsync("/v1/chat/completions", $"{{{Messages},\"stream\":true,{Late}}}");
        await stream.AdvanceUntilAsync(clock, TimeSpan.FromMilliseconds(5), ": kvasir");
        clock.Advance(TimeSpan.FromSeconds(1));
        held.Release();
        Assert.True(await stream.ReadUntilAsync("data: [DONE]"));
        Assert.Contains("\"code\":\"deadline_exceeded\",\"status\":504}}", stream.Received);
        Assert.DoesNotContain("choices", stream.Received);
    }

    [Fact]
    public async Task AnAnswerThatIsLateEndsInAnErrorAndNotAsIfItWereLong()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(options => options.UseEngine(OneSequence(clock)), clock);
        using var stream = new RawConnection(server.Address);
        await stream.PostAsync("/v1/chat/completions", Endless.Replace("\"ignore_eos\"", $"{Late},\"ignore_eos\"", StringComparison.Ordinal));
        Assert.True(await stream.ReadUntilAsync("delta"));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await stream.ReadUntilAsync("data: [DONE]"));
        Assert.Contains("\"code\":\"deadline_exceeded\",\"status\":504}}", stream.Received);
        Assert.DoesNotContain("\"finish_reason\":\"", stream.Received);
        Assert.Equal(1, server.Engine.Figures.LateRunning);
        await server.AssertQuietAsync();
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task Of300AtOnce128WaitAndTheOthersAreToldWhenToComeAgain()
    {
        await using var server = await RunningServer.StartAsync();
        using var held = await HeldEngine.HoldAsync(server);
        var taken = server.Engine.Memory.TotalBytes;
        var all = Enumerable.Range(0, 300).Select(_ => server.PostAsync("/v1/completions", "{\"prompt\":\"Once upon a time\",\"max_tokens\":2}")).ToList();
        var refused = new List<HttpResponseMessage>();
        while (refused.Count < 172)
        {
            var first = await Task.WhenAny(all);
            all.Remove(first);
            refused.Add(await first);
        }

        Assert.Equal((128, taken), (server.Engine.WaitingCount, server.Engine.Memory.TotalBytes));
        Assert.All(refused, static response => Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode));
        Assert.All(refused, static response => Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60));
        Assert.Contains("128 sequences are waiting, and the queue holds 128", await refused[0].Content.ReadAsStringAsync());
        held.Release();
        Assert.All(await Task.WhenAll(all), static response => Assert.Equal(HttpStatusCode.OK, response.StatusCode));
        await server.AssertQuietAsync();
    }

    [Theory]
    [InlineData("\"priority\":5", "\"priority\":-5")]
    [InlineData("\"service_tier\":\"flex\"", "\"service_tier\":\"default\"")]
    [InlineData("\"service_tier\":\"auto\"", "\"service_tier\":\"priority\"")]
    [InlineData("\"service_tier\":\"priority\",\"priority\":0", "\"priority\":-1")]
    public async Task WhoHasTheLowerNumberGoesFirst(string later, string sooner)
    {
        await using var server = await RunningServer.StartAsync(static options => options.MaxSequences = 1);
        using var held = await HeldEngine.HoldAsync(server);
        var first = server.PostAsync("/v1/completions", $"{{\"prompt\":\"Once\",\"max_tokens\":200,\"ignore_eos\":true,{later}}}");
        await server.UntilAsync(static engine => engine.WaitingCount == 1);
        var second = server.PostAsync("/v1/completions", $"{{\"prompt\":\"Once\",\"max_tokens\":2,{sooner}}}");
        await server.UntilAsync(static engine => engine.WaitingCount == 2);
        held.Release();
        Assert.Same(second, await Task.WhenAny(first, second));
        using var one = await first;
        using var other = await second;
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (one.StatusCode, other.StatusCode));
    }

    [Fact]
    public async Task AKeyHasItsPriorityWhereARequestNamesNoneAndNeverALowerOne()
    {
        await using var server = await RunningServer.StartAsync(options => (options.KeyFile, options.MaxSequences) = (_keys, 1));
        using var held = await HeldEngine.HoldAsync(server);
        var slow = AskAsync(server, "slow-secret-3", "{\"prompt\":\"Once\",\"max_tokens\":200,\"ignore_eos\":true,\"priority\":-50}");
        await server.UntilAsync(static engine => engine.WaitingCount == 1);
        var usual = AskAsync(server, "bob-secret-22", "{\"prompt\":\"Once\",\"max_tokens\":2}");
        await server.UntilAsync(static engine => engine.WaitingCount == 2);
        held.Release();
        Assert.Same(usual, await Task.WhenAny(slow, usual));
        using var cut = await slow;
        using var own = await usual;
        Assert.Equal("priority -50 is 5 here, the least that this key may ask for", cut.Headers.GetValues("x-kvasir-warning").Single());
        Assert.False(own.Headers.Contains("x-kvasir-warning"));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AKeyComputesNoMoreThanItsLineSays()
    {
        await using var server = await RunningServer.StartAsync(options =>
            (options.KeyFile, options.ContextTokens, options.KvMemoryBytes) = (_keys, 200_000, 1L << 30));
        var first = AskAsync(server, "alice-secret-1", Endless, HttpCompletionOption.ResponseHeadersRead);
        var second = AskAsync(server, "alice-secret-1", Endless, HttpCompletionOption.ResponseHeadersRead);
        await server.UntilAsync(static engine => engine is { RunningCount: 1, WaitingCount: 1 });
        using var other = await AskAsync(server, "bob-secret-22", "{\"prompt\":\"Once\",\"max_tokens\":2}");
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        Assert.Equal((1, 1), (server.Engine.RunningCount, server.Engine.WaitingCount));
        (await first).Dispose();
        (await second).Dispose();
        await server.AssertQuietAsync();
    }

    [Fact]
    public async Task MoreOfAKeyThanMayWaitIs429()
    {
        await using var server = await RunningServer.StartAsync(options => (options.KeyFile, options.KeyWaiting) = (_keys, 2));
        using var held = await HeldEngine.HoldAsync(server);
        var waiting = Enumerable.Range(0, 2).Select(_ => AskAsync(server, "bob-secret-22", "{\"prompt\":\"Once\",\"max_tokens\":2}")).ToArray();
        await server.UntilAsync(static engine => engine.WaitingCount == 2);
        using var refused = await AskAsync(server, "bob-secret-22", "{\"prompt\":\"Once\",\"max_tokens\":2}");
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Contains("\"code\":\"rate_limit_exceeded\"", await refused.Content.ReadAsStringAsync());
        held.Release();
        Assert.All(await Task.WhenAll(waiting), static response => Assert.Equal(HttpStatusCode.OK, response.StatusCode));
    }

    [Theory]
    [InlineData("\"priority\":101", "priority is 101; -100 to 100 are allowed")]
    [InlineData("\"priority\":\"high\"", "priority is a string; a whole number is expected")]
    [InlineData("\"kvasir\":{\"deadline_ms\":0}", "kvasir.deadline_ms is 0; 1 to 2073600000 are allowed")]
    [InlineData("\"cache_salt\":\"\"", "cache_salt has 0 bytes; 1 to 256 are allowed")]
    [InlineData("\"kvasir\":{\"cache\":\"maybe\"}", "kvasir.cache is 'maybe'; on, off are allowed")]
    public async Task WhatIsOutOfRangeIsNamed(string field, string words)
    {
        await using var server = await RunningServer.StartAsync();
        using var refused = await server.PostAsync("/v1/completions", $"{{\"prompt\":\"Once\",\"max_tokens\":2,{field}}}");
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(words, JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("message")
            .GetString());
    }

    private static EngineOptions OneSequence(FakeTimeProvider clock) =>
        new() { Threads = 1, MaxSequences = 1, ContextTokens = 200_000, KvMemoryBytes = 1L << 30, Time = clock };

    private static Task<HttpResponseMessage> AskAsync(RunningServer server, string key, string body,
        HttpCompletionOption until = HttpCompletionOption.ResponseContentRead)
    {
        var path = body.Contains("messages", StringComparison.Ordinal) ? "/v1/chat/completions" : "/v1/completions";
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body) };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        return server.Client.SendAsync(request, until);
    }
}
