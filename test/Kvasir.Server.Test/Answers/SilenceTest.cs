using System.Globalization;
using System.Text.RegularExpressions;
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

    // llama.cpp pull request 24013, pi issue 5089: a client gives up after 300 s without a byte.
    [Fact]
    public async Task APromptThatTakesMinutesSaysEveryTenSecondsHowFarItIsAndIsAnswered()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(static options => (options.BatchTokens, options.ContextTokens) = (33, 2000), clock);
        using var held = await HeldEngine.HoldAsync(server, isStepped: true);
        using var client = new RawConnection(server.Address);
        await client.PostAsync("/v1/completions", $"{{\"prompt\":[{LongPrompt}],\"max_tokens\":2,\"stream\":true}}");
        await client.AdvanceUntilAsync(clock, TimeSpan.FromMilliseconds(50), ": kvasir\n\n");
        var computed = 0;
        for (var minute = 0; minute < 5; minute++)
        {
            held.Step();
            var before = computed;
            var comments = Prefills(client.Received).Length;
            await RawConnection.AdvanceAsync(
                clock, TimeSpan.FromSeconds(10), client.ReadUntilAsync(received => Prefills(received) is [.., var last] all && last > before && all.Length >= comments + 6));
            computed = Prefills(client.Received)[^1];
        }

        Assert.DoesNotContain("data:", client.Received);
        Assert.All(Prefills(client.Received), static rows => Assert.InRange(rows, 32, 999));
        Assert.Equal(Prefills(client.Received).Order(), Prefills(client.Received));
        held.Release();
        Assert.True(await client.ReadUntilAsync("[DONE]"), client.Received);
        Assert.Contains("\"finish_reason\":\"length\"", client.Received);
        Assert.Contains("\"prompt_tokens\":1000", await server.BodyJsonAsync("/v1/completions", $"{{\"prompt\":[{LongPrompt}],\"max_tokens\":1}}"));
    }

    [Fact]
    public async Task WhoAsksForProgressIsToldOfItInEvents()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(static options => (options.BatchTokens, options.ContextTokens) = (33, 2000), clock);
        using var held = await HeldEngine.HoldAsync(server, isStepped: true);
        using var client = new RawConnection(server.Address);
        await client.PostAsync("/v1/completions", $"{{\"prompt\":[{LongPrompt}],\"max_tokens\":2,\"stream\":true,\"return_progress\":true}}");
        await client.AdvanceUntilAsync(clock, TimeSpan.FromMilliseconds(50), ": kvasir\n\n");
        for (var step = 0; step < 4; step++)
        {
            held.Step();
            var before = Processed(client.Received).LastOrDefault();
            await RawConnection.AdvanceAsync(
                clock, TimeSpan.FromSeconds(1), client.ReadUntilAsync(received => Processed(received).LastOrDefault() > before));
        }

        held.Release();
        Assert.True(await client.ReadUntilAsync("[DONE]"), client.Received);
        Assert.All(Processed(client.Received), static rows => Assert.InRange(rows, 0, 1000));
        Assert.Equal(Processed(client.Received).Order(), Processed(client.Received));
        Assert.Matches(@"\{[^\n]*""choices"":\[\],""prompt_progress"":\{""total"":1000,""cache"":0,""processed"":\d+,""time_ms"":\d+", client.Received);
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
        await RawConnection.AdvanceAsync(clock, TimeSpan.FromSeconds(31), server.UntilAsync(static engine => engine.RunningCount == 0));

        await server.AssertQuietAsync();
        await slow.ReadToEndAsync();
        Assert.DoesNotContain("[DONE]", slow.Received);
        Assert.DoesNotContain("finish_reason\":\"", slow.Received);
    }

    // lattice issue 744.
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task EightReadersThatStopAreLetGoWhileOthersAreAnswered()
    {
        var clock = new FakeTimeProvider();
        await using var server = await RunningServer.StartAsync(
            static options => (options.MaxSequences, options.ContextTokens, options.KvMemoryBytes) = (16, 200_000, 1L << 30), clock);
        var slow = Enumerable.Range(0, 8).Select(_ => new RawConnection(server.Address, receiveBytes: 4096)).ToArray();
        try
        {
            await Task.WhenAll(slow.Select(static reader => reader.PostAsync("/v1/chat/completions", Wordy)));
            await Task.WhenAll(slow.Select(static reader => reader.ReadUntilAsync("delta")));
            using var quick = await server.PostAsync("/v1/chat/completions", Endless.Replace("\"stream\":true", "\"max_tokens\":100", StringComparison.Ordinal));
            Assert.Equal(200, (int)quick.StatusCode);
            Assert.Contains("\"completion_tokens\":100", await quick.Content.ReadAsStringAsync());
            Assert.Equal(8, server.Engine.RunningCount);
            await RawConnection.AdvanceAsync(clock, TimeSpan.FromSeconds(31), server.UntilAsync(static engine => engine.RunningCount == 0));

            await server.AssertQuietAsync();
            await Task.WhenAll(slow.Select(static reader => reader.ReadToEndAsync()));
            Assert.All(slow, static reader => Assert.DoesNotContain("[DONE]", reader.Received));
        }
        finally
        {
            foreach (var reader in slow)
                reader.Dispose();
        }
    }

    private static string LongPrompt => string.Join(',', Enumerable.Range(0, 1000).Select(static i => i == 0 ? 1 : 3 + i * 7 % 500));

    private static int[] Prefills(string received) => Numbers(received, @": prefill (\d+)/1000\n\n");

    private static int[] Processed(string received) => Numbers(received, @"""processed"":(\d+)");

    private static int[] Numbers(string received, string pattern) =>
        [.. Regex.Matches(received, pattern).Select(static match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
}
