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

    [Fact]
    public async Task TextsThatEndAnAnswerAreTextInWhatTheModelThinks()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Thinks);
        const string asked = "{" + Asked + ",\"temperature\":0,\"max_tokens\":40,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4}";
        var (thought, said) = Blocks(await server.BodyJsonAsync("/v1/messages", asked + "}"));
        // A stop that both have, and one that what is said has later.
        var both = said.First(c => char.IsLetter(c) && thought.Contains(c, StringComparison.Ordinal));
        foreach (var stop in (string[])[$"{both}", said[10..14]])
        {
            var body = await server.BodyJsonAsync("/v1/messages", $"{asked},\"stop_sequences\":[{JsonSerializer.Serialize(stop)}]}}");
            var expected = said[..said.IndexOf(stop, StringComparison.Ordinal)];
            Assert.Equal((thought, expected), Blocks(body));
            Assert.Contains($"\"stop_reason\":\"stop_sequence\",\"stop_sequence\":{JsonSerializer.Serialize(stop)}", body);
            using var json = JsonDocument.Parse(body);
            Assert.InRange(json.RootElement.GetProperty("usage").GetProperty("output_tokens").GetInt32(), 6, 5 + stop.Length + expected.Length);
        }
    }

    [Fact]
    public async Task TextsThatEndAnAnswerAreTextInCalls()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Calls);
        var body = await server.BodyJsonAsync(
            "/v1/chat/completions",
            $"{{{Asked},\"stop\":[\"sun\",\"{{\"],\"parallel_tool_calls\":false,\"logit_bias\":{{\"{MarkedStories.WholeCall}\":100}},\"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"sun\"}}}}]}}");
        Assert.Contains("\"finish_reason\":\"tool_calls\"", body);
        Assert.Contains("\"name\":\"sun\"", body);
    }

    [Fact]
    public async Task TokensOfWhatTheModelThinksAreCountedApart()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Thinks);
        Assert.Contains("\"completion_tokens\":12,", await server.BodyJsonAsync("/v1/chat/completions", "{" + Asked + ",\"temperature\":0,\"max_tokens\":12}"));
        foreach (var (bias, thought) in ((string, int)[])[("", 12), ($",\"logit_bias\":{{\"{MarkedStories.ThinkEnd}\":100}}", 1)])
        {
            var fields = "{" + Asked + ",\"temperature\":0,\"max_tokens\":12" + bias;
            Assert.Contains($"\"completion_tokens_details\":{{\"reasoning_tokens\":{thought}}}", await server.BodyJsonAsync("/v1/chat/completions", fields + "}"));
            Assert.Contains($"\"reasoning_tokens\":{thought}}}", await server.BodyJsonAsync("/v1/chat/completions", fields + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"));
        }
    }

    private static (string Thought, string Said) Blocks(string message)
    {
        using var json = JsonDocument.Parse(message);
        var blocks = json.RootElement.GetProperty("content").EnumerateArray().ToArray();
        return (blocks[0].GetProperty("thinking").GetString()!, blocks.Length > 1 ? blocks[1].GetProperty("text").GetString()! : "");
    }
}
