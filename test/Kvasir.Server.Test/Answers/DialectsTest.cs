using System.Text.Json;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Answers;

/// <summary>Dialects are four ways to ask for the same.</summary>
public sealed class DialectsTest
{
    private const string Lines = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";
    private const string Turns = "{\"role\":\"user\",\"content\":\"Once upon a time\"},{\"role\":\"assistant\",\"content\":\"there was a cat.\"},{\"role\":\"user\",\"content\":\"What did it do?\"}";
    private const string System = "{\"role\":\"system\",\"content\":\"You tell stories.\"},";
    private const string Drawn = "\"temperature\":0.7,\"seed\":11,\"top_k\":20";

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task OneConversationGetsTheSameTextInEveryDialectAndFromTheCommandLine()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(Lines, "lines")));
        (string Path, string Body)[] asked =
        [
            ("/v1/chat/completions", $"\"messages\":[{System}{Turns}],{Drawn},\"max_tokens\":32"),
            ("/v1/responses", $"\"instructions\":\"You tell stories.\",\"input\":[{Turns}],{Drawn},\"max_output_tokens\":32"),
            ("/v1/messages", $"\"system\":\"You tell stories.\",\"messages\":[{Turns}],{Drawn},\"max_tokens\":32"),
            ("/api/chat", $"\"messages\":[{System}{Turns}],\"options\":{{{Drawn},\"num_predict\":32}}"),
        ];
        using var shown = JsonDocument.Parse(await server.BodyJsonAsync("/apply-template", $"{{\"messages\":[{System}{Turns}]}}"));
        var prompt = shown.RootElement.GetProperty("prompt").GetString()!;
        using var process = new ServerProcess(
            "Kvasir.Cli.dll", "run", "stories260K", prompt, "--raw", "--json", "--temperature", "0.7", "--seed", "11", "--top-k", "20", "--max-tokens", "32", "--attention", "dense", "--threads", "1");
        var text = JsonSerializer.Deserialize<string>(await process.LineAsync("\"text\":(\"(?:[^\"\\\\]|\\\\.)*\"),\"tokens\""))!;
        Assert.True(text.Length > 40, text);
        foreach (var (path, body) in asked)
        {
            Assert.Equal(text, Whole(await server.BodyJsonAsync(path, $"{{{body},\"stream\":false}}")));
            Assert.Equal(text, Joined(await server.BodyJsonAsync(path, $"{{{body},\"stream\":true}}")));
        }
    }

    private static string Whole(string body)
    {
        using var json = JsonDocument.Parse(body);
        var root = json.RootElement;
        return (root.TryGetProperty("choices", out var choices) ? choices[0].GetProperty("message").GetProperty("content")
            : root.TryGetProperty("output", out var output) ? output[0].GetProperty("content")[0].GetProperty("text")
            : root.TryGetProperty("content", out var blocks) ? blocks[0].GetProperty("text")
            : root.GetProperty("message").GetProperty("content")).GetString()!;
    }

    private static string Joined(string stream) => string.Concat(stream.Split('\n').Select(static line => line.StartsWith("data: {", StringComparison.Ordinal) ? line[6..] : line).Where(static line => line.StartsWith('{')).Select(Delta));

    private static string Delta(string frame)
    {
        using var json = JsonDocument.Parse(frame);
        var root = json.RootElement;
        if (root.TryGetProperty("choices", out var choices))
            return choices[0].GetProperty("delta").TryGetProperty("content", out var content) ? content.GetString()! : "";
        if (root.TryGetProperty("message", out var message) && message.TryGetProperty("role", out _) && root.TryGetProperty("done", out _))
            return message.GetProperty("content").GetString()!;
        if (!root.TryGetProperty("delta", out var delta))
            return "";
        return delta.ValueKind == JsonValueKind.String ? delta.GetString()! : delta.TryGetProperty("text", out var text) ? text.GetString()! : "";
    }
}
