using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>What the model thinks before it answers is never lost, whatever the dialect.</summary>
public sealed class ReasoningTest
{
    private const string Asked = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]";

    [Theory]
    [InlineData("/v1/chat/completions", "{" + Asked + ",\"temperature\":0,\"max_tokens\":12}", "reasoning_content")]
    [InlineData("/v1/messages", "{" + Asked + ",\"temperature\":0,\"max_tokens\":12}", "thinking")]
    [InlineData("/api/chat", "{" + Asked + ",\"stream\":false,\"options\":{\"temperature\":0,\"num_predict\":12}}", "thinking")]
    [InlineData("/api/chat", "{" + Asked + ",\"truncate\":true,\"stream\":false,\"options\":{\"temperature\":0,\"num_predict\":12}}", "thinking")]
    public async Task EveryDialectTellsWhatTheModelThinks(string path, string body, string field)
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Thinks);
        var answer = await server.BodyJsonAsync(path, body);
        Assert.Contains($"\"{field}\":\"", answer);
        using var json = JsonDocument.Parse(answer);
        var root = json.RootElement;
        var thought = root.TryGetProperty("choices", out var choices) ? choices[0].GetProperty("message").GetProperty(field)
            : root.TryGetProperty("content", out var blocks) ? blocks[0].GetProperty(field)
            : root.GetProperty("message").GetProperty(field);
        Assert.InRange(thought.GetString()!.Length, 5, 200);
    }
}
