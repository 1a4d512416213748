namespace Kvasir.Tools.Test.Cli.Chat;

public sealed class RemoteChatTest
{
    [Fact]
    public async Task TheSecondTurnOfAConversationFindsTheFirst()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        var run = CliRun.With(
            "Once upon a time there was a little girl who had a red ball and a big dog and a small cat and a house in a garden\nThen she went to the park\n",
            "chat", "--server", server.Address, "--json", "--temperature", "0", "--max-tokens", "8");
        Assert.Equal((0, 2), (run.ExitCode, run.Json.Length));
        Assert.Equal([1, 2], run.Json.Select(static turn => (int)turn["turn"]!));
        Assert.Null(run.Json[0]["usage"]!["cachedTokens"]);
        Assert.InRange((int)run.Json[1]["usage"]!["cachedTokens"]!, 32, 512);
        Assert.Equal((8, "length"), ((int)run.Json[1]["usage"]!["generatedTokens"]!, (string)run.Json[1]["finishReason"]!));
    }

    [Fact]
    public async Task WhatTheServerRefusesLeavesTheConversationAsItWas()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        var run = CliRun.With(
            $"{string.Concat(Enumerable.Repeat("word ", 600))}\nOnce\n/stats\n", "chat", "--server", server.Address, "--temperature", "0", "--max-tokens", "4");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("maximum context length is 512 tokens", run.Error, StringComparison.Ordinal);
        Assert.Contains("the conversation is kept as it was before this message", run.Error, StringComparison.Ordinal);
        Assert.Contains("conversation: 2 messages", run.Error, StringComparison.Ordinal);
    }
}
