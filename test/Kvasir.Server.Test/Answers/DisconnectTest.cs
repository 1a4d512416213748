using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>A client that goes away ends its sequence, whatever the sequence is at.</summary>
public sealed class DisconnectTest
{
    private const string Endless = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":STREAM}";

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public async Task ADecodingSequenceEndsWithItsReader(string stream)
    {
        await using var server = await LongServerAsync();
        using var leaving = new CancellationTokenSource();
        var answer = Ask(server, Endless.Replace("STREAM", stream, StringComparison.Ordinal), leaving.Token);
        await server.UntilAsync(static engine => engine.KvBytesInUse > 0);
        await LeaveAsync(answer, leaving);
        await server.AssertQuietAsync();
    }

    [Theory]
    [InlineData("true", Traits = ["Needs", "Minutes"])]
    [InlineData("false")]
    public async Task APromptIsNotComputedToItsEndForNobody(string stream)
    {
        await using var server = await LongServerAsync();
        using var leaving = new CancellationTokenSource();
        var prompt = string.Join(',', Enumerable.Repeat("403", 60_000));
        var answer = Ask(server, $"{{\"prompt\":[{prompt}],\"stream\":{stream}}}", leaving.Token, "/v1/completions");
        await server.UntilAsync(static engine => engine.KvBytesInUse > 0);
        await LeaveAsync(answer, leaving);
        var most = 0L;
        await server.UntilAsync(engine =>
        {
            most = Math.Max(most, engine.KvBytesInUse);
            return engine.RunningCount == 0;
        });
        await server.AssertQuietAsync();
        Assert.InRange(most, 0, 60_000 * server.Engine.Plan.KvBytesPerToken / 2);
    }

    [Fact]
    public async Task AWaitingSequenceIsNeverComputed()
    {
        await using var server = await LongServerAsync();
        using var leaving = new CancellationTokenSource();
        var (first, second) = (Ask(server, Endless.Replace("STREAM", "true", StringComparison.Ordinal), leaving.Token), new CancellationTokenSource());
        await server.UntilAsync(static engine => engine.RunningCount == 1);
        var waiting = Ask(server, Endless.Replace("STREAM", "true", StringComparison.Ordinal), second.Token);
        await server.UntilAsync(static engine => engine.WaitingCount == 1);
        await LeaveAsync(waiting, second);
        second.Dispose();
        await server.UntilAsync(static engine => engine.WaitingCount == 0);
        Assert.Equal(1, server.Engine.RunningCount);
        await LeaveAsync(first, leaving);
        await server.AssertQuietAsync();
    }

    // One sequence at a time, and room for long ones.
    private static Task<RunningServer> LongServerAsync() => RunningServer.StartAsync(static options =>
        (options.ContextTokens, options.MaxSequences, options.KvMemoryBytes) = (200_000, 1, 1L << 30));

    private static Task<HttpResponseMessage> Ask(RunningServer server, string body, CancellationToken leaving, string path = "/v1/chat/completions") =>
        server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body) }, HttpCompletionOption.ResponseHeadersRead, leaving);

    private static async Task LeaveAsync(Task<HttpResponseMessage> answer, CancellationTokenSource leaving)
    {
        await leaving.CancelAsync();
        try
        {
            (await answer).Dispose();
        }
        catch (OperationCanceledException)
        {
            Assert.True(leaving.IsCancellationRequested);
        }
    }
}
