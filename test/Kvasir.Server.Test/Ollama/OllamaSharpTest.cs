using Kvasir.Server.Test.Support;
using OllamaSharp;
using OllamaSharp.Models;
using OllamaSharp.Models.Chat;

namespace Kvasir.Server.Test.Ollama;

/// <summary>OllamaSharp, as users have it; and that dialects agree.</summary>
public sealed class OllamaSharpTest
{
    [Fact]
    public async Task TheClientGetsWhatChatGets()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = new OllamaApiClient(server.Address, "stories260K");
        Assert.True(await client.IsRunningAsync());
        Assert.Equal("stories260K", (await client.ListLocalModelsAsync()).Single().Name);
        var text = "";
        var request = new ChatRequest
        {
            Model = "stories260K",
            Messages = [new Message(ChatRole.User, RunningServer.Opening)],
            Options = new RequestOptions { Temperature = 0, NumPredict = 24 },
        };
        await foreach (var line in client.ChatAsync(request))
            text += line?.Message.Content;
        Assert.StartsWith(", there was a little girl named", text);
        var fields = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"temperature\":0,\"max_tokens\":24}";
        var quoted = System.Text.Json.JsonSerializer.Serialize(text);
        Assert.Contains($"\"content\":{quoted}", await server.BodyJsonAsync("/v1/chat/completions", "{" + fields));
        Assert.Contains($"\"text\":{quoted}", await server.BodyJsonAsync("/v1/messages", "{" + fields));
    }
}
