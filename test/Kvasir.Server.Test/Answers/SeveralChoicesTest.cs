using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>Several choices of one prompt: its rows are computed by one of them.</summary>
public sealed class SeveralChoicesTest
{
    [Theory]
    [InlineData("/v1/completions", "dense")]
    [InlineData("/v1/chat/completions", "quest:page=8,recent=8,min-context=0")]
    public async Task ChoicesComputeTheirPromptOnce(string path, string policy)
    {
        await using var server = await RunningServer.StartAsync();
        var story = string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 12));
        var prompt = path == "/v1/completions" ? $"\"prompt\":\"{story}\"" : $"\"messages\":[{{\"role\":\"user\",\"content\":\"{story}\"}}]";
        var before = server.Engine.Figures.PromptRows;
        var body = await server.BodyJsonAsync(path, $"{{{prompt},\"n\":4,\"seed\":5,\"max_tokens\":6,\"ignore_eos\":true,\"kvasir\":{{\"attention\":\"{policy}\"}}}}");
        var answer = JsonDocument.Parse(body).RootElement;
        var tokens = answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
        Assert.Equal((4, 24), (answer.GetProperty("choices").GetArrayLength(), answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32()));
        Assert.True(tokens > 200, $"{tokens} tokens");
        // What is behind the last whole column each computes itself: it tells the first token.
        var own = tokens - ((tokens - 1) / 32 * 32);
        Assert.Equal(tokens + (3 * own), server.Engine.Figures.PromptRows - before);
        Assert.Equal(3L * (tokens - own), server.Engine.Prefixes.HitTokens);
    }
}
