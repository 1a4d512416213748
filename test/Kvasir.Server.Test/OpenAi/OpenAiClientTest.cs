using System.ClientModel;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>OpenAI's own client for .NET, and Microsoft's abstractions over it, as users have them.</summary>
public sealed class OpenAiClientTest
{
    [Fact]
    public async Task TheClientStreamsWhatItGetsWhole()
    {
        await using var server = await RunningServer.StartAsync();
        var client = Client(server);
        var options = new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 24 };
        var whole = (await client.CompleteChatAsync([new UserChatMessage(RunningServer.Opening)], options)).Value;
        var (text, reason, tokens) = ("", (OpenAI.Chat.ChatFinishReason?)null, 0);
        await foreach (var update in client.CompleteChatStreamingAsync([new UserChatMessage(RunningServer.Opening)], options))
        {
            text += string.Concat(update.ContentUpdate.Select(static part => part.Text));
            reason ??= update.FinishReason;
            tokens += update.Usage?.OutputTokenCount ?? 0;
        }

        Assert.StartsWith(", there was a little girl named", text);
        Assert.Equal((whole.Content[0].Text, whole.FinishReason, whole.Usage.OutputTokenCount), (text, reason!.Value, tokens));
        Assert.Equal(24, tokens);
    }

    [Fact]
    public async Task TheAbstractionsSeeTextUsageAndErrors()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = Client(server).AsIChatClient();
        var answer = await client.GetResponseAsync(RunningServer.Opening, new ChatOptions { Temperature = 0, MaxOutputTokens = 8, StopSequences = ["little"] });
        Assert.Equal((", there was a ", 5L, 0L), (answer.Text, answer.Usage!.InputTokenCount, answer.Usage.CachedInputTokenCount));
        Assert.Equal(Microsoft.Extensions.AI.ChatFinishReason.Stop, answer.FinishReason);
        var refused = await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync("x", new ChatOptions { Temperature = 200 }));
        Assert.Equal(400, refused.Status);
        Assert.Contains("temperature is 200", refused.Message);
    }

    private static ChatClient Client(RunningServer server) =>
        new("stories260K", new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1") });
}
