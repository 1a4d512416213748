using Kvasir.Server.Test.Support;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Answers;

/// <summary>Streams that have nothing to say, and readers that do not read.</summary>
public sealed class SilenceTest
{
    private const string Endless = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":true}";
    private const string Wordy = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":true,\"logprobs\":true,\"top_logprobs\":20}";

    [Fact]
    public async Task AStreamThatWaitsSaysSoEveryTenSeconds()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(
            static options => (options.MaxSequences, options.ContextTokens, options.KvMemoryBytes) = (1, 200_000, 1L << 30), clock);
        using var first = new RawConnection(server.Address);
        await first.PostAsync("/v1/chat/completions", Endless);
        Assert.True(await first.ReadUntilAsync("delta"));
        using var second = new RawConnection(server.Address);
        await second.PostAsync("/v1/chat/completions", Endless);
        await second.AdvanceUntilAsync(clock, TimeSpan.FromMilliseconds(50), ": kvasir\n\n");
        for (var ping = 1; ping <= 2; ping++)
            await second.AdvanceUntilAsync(clock, TimeSpan.FromSeconds(10), string.Concat(Enumerable.Repeat("8\r\n: ping\n\n\r\n", ping)));
        Assert.DoesNotContain("data:", second.Received);
    }

    [Fact]
    public async Task AWholeAnswerIsKeptAliveByBlanksWhereTheServerIsToldTo()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(
            static options => (options.MaxSequences, options.JsonKeepAliveSeconds, options.ContextTokens, options.KvMemoryBytes) = (1, 5, 200_000, 1L << 30), clock);
        using var first = new RawConnection(server.Address);
        await first.PostAsync("/v1/chat/completions", Endless);
        Assert.True(await first.ReadUntilAsync("delta"));
        using var second = new RawConnection(server.Address);
        await second.PostAsync("/v1/completions", "{\"prompt\":\"Once upon a time\",\"max_tokens\":2,\"temperature\":0}");
        await second.AdvanceUntilAsync(clock, TimeSpan.FromSeconds(5), "\r\n1\r\n \r\n1\r\n \r\n");
        first.Dispose();
        Assert.True(await second.ReadUntilAsync("\"text\":\", there\""));
    }

    [Fact]
    public async Task AReaderThatTakesNothingFor30SecondsIsLetGoAndHoldsUpNobody()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.KvMemoryBytes) = (200_000, 1L << 30), clock);
        using var slow = new RawConnection(server.Address, receiveBytes: 4096);
        await slow.PostAsync("/v1/chat/completions", Wordy);
        Assert.True(await slow.ReadUntilAsync("delta"));
        // Somebody who reads is answered meanwhile.
        using var quick = await server.PostAsync("/v1/chat/completions", Endless.Replace("\"stream\":true", "\"max_tokens\":50", StringComparison.Ordinal));
        Assert.Equal(200, (int)quick.StatusCode);
        for (var i = 0; i < 500 && server.Engine.RunningCount > 0; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(31));
            await Task.Delay(20);
        }

        await server.AssertQuietAsync();
        await slow.ReadToEndAsync();
        Assert.DoesNotContain("[DONE]", slow.Received);
        Assert.DoesNotContain("finish_reason\":\"", slow.Received);
    }
}
