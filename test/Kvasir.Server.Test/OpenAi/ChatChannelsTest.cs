using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Answers in messages with channels: headers are no text, and what stands behind each is what its channel says. A bias ends what the model thinks.</summary>
public sealed class ChatChannelsTest
{
    private const int Start = MarkedStories.FirstControl;
    private const string Sun = "{\"type\":\"function\",\"function\":{\"name\":\"sun\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}";
    private static readonly string[] Marks = ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>"];

    // <|channel|> where it may stand, and <|end|> after a token or two.
    private static readonly string Asked =
        $"\"messages\":[{{\"role\":\"user\",\"content\":\"Lily had a\"}}],\"temperature\":0,\"max_tokens\":120,\"logit_bias\":{{\"{Start - 1}\":100,\"{Start - 3}\":100}}";

    [Fact]
    public async Task ASchemaHoldsWhatIsSaidAtLast()
    {
        using var stories = new MarkedStories(Marks);
        await using var server = await stories.StartAsync(MarkedStories.Channels);
        var fields = $"{{{Asked},\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"a\",\"schema\":{{\"enum\":[\"yes\"]}}}}}}";
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/chat/completions", fields + "}"));
        var choice = answer.RootElement.GetProperty("choices")[0];
        Assert.Equal(("\"yes\"", "stop"), (choice.GetProperty("message").GetProperty("content").GetString(), choice.GetProperty("finish_reason").GetString()));
        var stream = await server.BodyJsonAsync("/v1/chat/completions", fields + ",\"stream\":true}");
        Assert.DoesNotContain("<|", stream);
        Assert.Contains("\"content\":", stream);
    }

    [Fact]
    public async Task AMessageForAFunctionIsACall()
    {
        using var stories = new MarkedStories(Marks);
        await using var server = await stories.StartAsync(MarkedStories.Channels);
        var fields = $"{{{Asked},\"tools\":[{Sun}],\"tool_choice\":\"required\"}}";
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/chat/completions", fields));
        var choice = answer.RootElement.GetProperty("choices")[0];
        Assert.Equal("tool_calls", choice.GetProperty("finish_reason").GetString());
        var call = choice.GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function");
        Assert.Equal(("sun", "{}"), (call.GetProperty("name").GetString(), call.GetProperty("arguments").GetString()!.Replace(" ", "", StringComparison.Ordinal)));
        Assert.Equal(JsonValueKind.Null, choice.GetProperty("message").GetProperty("content").ValueKind);
    }
}
