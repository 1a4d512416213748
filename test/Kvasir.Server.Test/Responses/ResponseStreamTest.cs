using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Responses;

/// <summary>Events of a response, to the byte: agents break on others, and on an order that they do not know.</summary>
public sealed partial class ResponseStreamTest
{
    private const string Asked = "\"input\":\"Once upon a time\",\"temperature\":0";
    private const string Named = "\"input\":\"How many?\",\"temperature\":1,\"seed\":4,\"tools\":[{\"type\":\"function\",\"name\":\"sun\",\"parameters\":{\"type\":\"object\",\"properties\":{\"days\":{\"enum\":[3]}},"
        + "\"required\":[\"days\"],\"additionalProperties\":false}}],\"tool_choice\":{\"type\":\"function\",\"name\":\"sun\"}";

    [Fact]
    public async Task AStreamHasEveryEventOfAMessageInItsOrder()
    {
        await using var server = await RunningServer.StartAsync();
        const string open = "\"error\":null,\"incomplete_details\":null,\"model\":\"stories260K\",\"output\":[";
        const string rest = "\"instructions\":null,\"max_output_tokens\":1,\"parallel_tool_calls\":true,\"reasoning\":{\"effort\":null,\"summary\":null},\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],"
            + "\"previous_response_id\":null,\"store\":false,\"temperature\":0,\"top_p\":0.95,\"truncation\":\"disabled\",\"metadata\":{},\"usage\":";
        const string running = "\"response\":{\"id\":\"resp_I\",\"object\":\"response\",\"created_at\":C,\"completed_at\":null,\"status\":\"in_progress\"," + open + "]," + rest + "null}}";
        const string part = "{\"type\":\"output_text\",\"text\":\",\",\"annotations\":[],\"logprobs\":[]}";
        const string item = "{\"id\":\"msg_I\",\"type\":\"message\",\"status\":\"incomplete\",\"role\":\"assistant\",\"content\":[" + part + "]}";
        const string place = "\"item_id\":\"msg_I\",\"output_index\":0,\"content_index\":0,";
        Assert.Equal(
            ": kvasir\n\n"
            + Event("response.created", 0, running)
            + Event("response.in_progress", 1, running)
            + Event("response.output_item.added", 2, "\"output_index\":0,\"item\":{\"id\":\"msg_I\",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}")
            + Event("response.content_part.added", 3, place + "\"part\":" + part.Replace(",\",", "\",", StringComparison.Ordinal) + "}")
            + Event("response.output_text.delta", 4, place + "\"delta\":\",\",\"logprobs\":[]}")
            + Event("response.output_text.done", 5, place + "\"text\":\",\",\"logprobs\":[]}")
            + Event("response.content_part.done", 6, place + "\"part\":" + part + "}")
            + Event("response.output_item.done", 7, "\"output_index\":0,\"item\":" + item + "}")
            + Event(
                "response.incomplete", 8,
                "\"response\":{\"id\":\"resp_I\",\"object\":\"response\",\"created_at\":C,\"completed_at\":C,\"status\":\"incomplete\","
                + open.Replace("\"incomplete_details\":null", "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}", StringComparison.Ordinal) + item + "]," + rest
                + "{\"input_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},\"output_tokens\":1,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":6}}}"),
            Steady(await server.BodyJsonAsync("/v1/responses", $"{{{Asked},\"max_output_tokens\":1,\"stream\":true}}")));
    }

    [Fact]
    public async Task AFunctionWithoutParametersIsCalledWithNoArguments()
    {
        await using var server = await StartWithCallsAsync();
        var frames = await FramesAsync(
            server, "{\"input\":\"How many?\",\"temperature\":1,\"seed\":4,\"tools\":[{\"type\":\"function\",\"name\":\"rain\"}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false,\"max_output_tokens\":80,\"stream\":true}");
        Assert.Equal("response.completed", Type(frames[^1]));
        using var arguments = JsonDocument.Parse(frames[^3].GetProperty("arguments").GetString()!);
        Assert.Empty(arguments.RootElement.EnumerateObject());
    }

    [Fact]
    public async Task ACallIsAnItemWhoseArgumentsComeInPieces()
    {
        await using var server = await StartWithCallsAsync();
        var frames = await FramesAsync(server, $"{{{Named},\"stream\":true}}");
        Assert.Equal(["response.created", "response.in_progress", "response.output_item.added"], frames[..3].Select(Type));
        Assert.Equal(["response.function_call_arguments.done", "response.output_item.done", "response.completed"], frames[^3..].Select(Type));
        var added = frames[2].GetProperty("item");
        Assert.Equal(
            ("function_call", "in_progress", "sun", ""),
            (added.GetProperty("type").GetString(), added.GetProperty("status").GetString(), added.GetProperty("name").GetString(), added.GetProperty("arguments").GetString()));
        Assert.Matches("^call_[0-9A-Za-z]{24}$", added.GetProperty("call_id").GetString());
        Assert.All(frames[3..^3], static frame => Assert.Equal("response.function_call_arguments.delta", Type(frame)));
        var arguments = string.Concat(frames[3..^3].Select(static frame => frame.GetProperty("delta").GetString()));
        using var parsed = JsonDocument.Parse(arguments);
        Assert.Equal(3, parsed.RootElement.GetProperty("days").GetInt32());
        Assert.Equal(arguments, frames[^3].GetProperty("arguments").GetString());
        Assert.Equal(arguments, frames[^2].GetProperty("item").GetProperty("arguments").GetString());
        var output = frames[^1].GetProperty("response").GetProperty("output");
        Assert.Equal(frames[^2].GetProperty("item").GetRawText(), Assert.Single(output.EnumerateArray().ToArray()).GetRawText());
        Assert.All(frames[3..^2], frame => Assert.Equal(added.GetProperty("id").GetString(), frame.GetProperty("item_id").GetString()));
    }

    [Fact]
    public async Task WhatTheModelThinksIsAnItemOfItsOwnBeforeTheMessage()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Thinks);
        var frames = await FramesAsync(server, $"{{{Asked},\"max_output_tokens\":12,\"stream\":true}}");
        Assert.Equal(["response.output_item.added", "response.reasoning_text.delta"], frames[2..4].Select(Type));
        Assert.Equal(["response.reasoning_text.done", "response.output_item.done", "response.incomplete"], frames[^3..].Select(Type));
        var item = frames[^2].GetProperty("item");
        var text = item.GetProperty("content")[0].GetProperty("text").GetString()!;
        Assert.Equal(("reasoning", "reasoning_text", text), (item.GetProperty("type").GetString(), item.GetProperty("content")[0].GetProperty("type").GetString(), frames[^3].GetProperty("text").GetString()));
        Assert.Equal(text, string.Concat(frames[3..^3].Select(static frame => frame.GetProperty("delta").GetString())));
        Assert.Equal(12, frames[^1].GetProperty("response").GetProperty("usage").GetProperty("output_tokens_details").GetProperty("reasoning_tokens").GetInt32());
        // The mark that closes it, once and again.
        var both = await FramesAsync(server, $"{{{Asked},\"max_output_tokens\":3,\"stream\":true,\"logit_bias\":{{\"{MarkedStories.ThinkEnd}\":100}}}}");
        Assert.Equal("message", Assert.Single(both[^1].GetProperty("response").GetProperty("output").EnumerateArray().ToArray()).GetProperty("type").GetString());
    }

    [Fact]
    public async Task AStreamThatFailsSaysSoAndEnds()
    {
        await using var server = await RunningServer.StartAsync();
        var banned = string.Join(',', Enumerable.Range(0, 512).Select(static token => $"\"{token}\":-100"));
        var frames = await FramesAsync(server, $"{{{Asked},\"stream\":true,\"logit_bias\":{{{banned}}}}}");
        Assert.Equal(["response.created", "response.in_progress", "response.failed"], frames.Select(Type));
        var failed = frames[^1].GetProperty("response");
        Assert.Equal(("failed", "invalid_value"), (failed.GetProperty("status").GetString(), failed.GetProperty("error").GetProperty("code").GetString()));
        Assert.NotEmpty(failed.GetProperty("error").GetProperty("message").GetString()!);
    }

    [Fact]
    public async Task NoBodyAndNoEventIsAnythingElseThanItsStreamSays()
    {
        await using var server = await StartWithCallsAsync();
        foreach (var asked in (string[])[Named, Asked + ",\"max_output_tokens\":9", Asked + ",\"max_output_tokens\":9,\"top_logprobs\":2"])
        {
            using var whole = JsonDocument.Parse(await server.BodyJsonAsync("/responses", $"{{{asked}}}"));
            var last = (await FramesAsync(server, $"{{{asked},\"stream\":true}}"))[^1].GetProperty("response");
            Assert.Equal(Steady(whole.RootElement.GetRawText()), Steady(last.GetRawText()));
        }
    }

    private static string Type(JsonElement frame) => frame.GetProperty("type").GetString()!;

    private static string Event(string name, int number, string rest) => $"event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number},{rest}\n\n";

    // Every frame has its name twice, and its number.
    private static async Task<JsonElement[]> FramesAsync(RunningServer server, string body)
    {
        var frames = (await server.BodyJsonAsync("/v1/responses", body)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries)[1..];
        var read = frames.Select(static frame => JsonDocument.Parse(frame[(frame.IndexOf("data: ", StringComparison.Ordinal) + 6)..]).RootElement).ToArray();
        Assert.Equal(frames.Select(static frame => frame.Split('\n')[0]), read.Select(static frame => $"event: {Type(frame)}"));
        Assert.Equal(Enumerable.Range(0, read.Length), read.Select(static frame => frame.GetProperty("sequence_number").GetInt32()));
        return read;
    }

    private static Task<RunningServer> StartWithCallsAsync() => RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));

    private static string Steady(string body) => Cached().Replace(Time().Replace(Id().Replace(body, "$1_I"), "$1:C"), "\"cached_tokens\":0,\"cache_write_tokens\":0");

    [GeneratedRegex("(resp|msg|fc|rs|call)_[0-9A-Za-z]{24}")]
    private static partial Regex Id();

    [GeneratedRegex("(\"(?:created|completed)_at\"):[0-9]+")]
    private static partial Regex Time();

    [GeneratedRegex("\"cached_tokens\":[0-9]+,\"cache_write_tokens\":[0-9]+")]
    private static partial Regex Cached();
}
