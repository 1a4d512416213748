using System.Net;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>A server that stops.</summary>
public sealed class DrainTest
{
    private const string Endless = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":true}";

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task ADrainingServerEndsWhatRunsAndRefusesWhatComes()
    {
        var server = await RunningServer.StartAsync(static options => (options.DrainSeconds, options.ContextTokens, options.KvMemoryBytes) = (2, 200_000, 1L << 30));
        using var running = new RawConnection(server.Address);
        await running.PostAsync("/v1/chat/completions", Endless);
        Assert.True(await running.ReadUntilAsync("delta"));
        var stopped = server.StopAsync();
        using var ready = await server.UntilStatusAsync("/ready", HttpStatusCode.ServiceUnavailable);
        Assert.Equal("{\"status\":\"draining\"}", await ready.Content.ReadAsStringAsync());
        using var health = await server.Client.GetAsync(new Uri("/health", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
        using var late = await server.PostAsync("/v1/chat/completions", Endless);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (late.StatusCode, late.Headers.ConnectionClose));
        Assert.InRange(late.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Contains("\"code\":\"draining\"", await late.Content.ReadAsStringAsync());
        Assert.True(await running.ReadUntilAsync("[DONE]"));
        Assert.Contains("data: {\"error\":{\"message\":\"the server is shutting down\",\"type\":\"server_error\",\"param\":null,\"code\":\"draining\",\"status\":503}}\n\n", running.Received);
        await stopped;
        await server.DisposeAsync();
    }

    [Fact]
    public async Task AnAnswerThatEndsInTimeIsWhole()
    {
        var server = await RunningServer.StartAsync(static options => options.DrainSeconds = 20);
        var answer = server.PostAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"max_tokens\":400}");
        await server.UntilAsync(static engine => engine.RunningCount > 0);
        await server.StopAsync();
        using var whole = await answer;
        Assert.Contains("\"completion_tokens\":400", await whole.Content.ReadAsStringAsync());
        await server.DisposeAsync();
    }
}
