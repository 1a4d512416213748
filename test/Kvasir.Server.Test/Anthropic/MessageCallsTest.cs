using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Anthropic;

/// <summary>Tools of a message, and forms that answers are held to.</summary>
public sealed partial class MessageCallsTest
{
    private const string Asked = "\"messages\":[{\"role\":\"user\",\"content\":\"How many?\"}],\"temperature\":1,\"seed\":4,\"max_tokens\":200";
    private const string Sun = "{\"name\":\"sun\",\"description\":\"shines\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"days\":{\"enum\":[3]}},\"required\":[\"days\"],\"additionalProperties\":false}}";
    private const string Rain = "{\"type\":\"custom\",\"name\":\"rain\",\"input_schema\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}";
    private const string Say = "{\"name\":\"say\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}}";
    private const string Named = ",\"tools\":[" + Rain + "," + Sun + "],\"tool_choice\":{\"type\":\"tool\",\"name\":\"sun\"}";

    [Fact]
    public async Task ANamedToolIsABlockWhoseInputIsAnObject()
    {
        await using var server = await StartAsync();
        var body = await server.BodyJsonAsync("/v1/messages", $"{{{Asked}{Named}}}");
        var usage = Usage().Match(body).Value;
        Assert.Equal(
            "{\"id\":\"msg_I\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"stories260K\",\"content\":[{\"type\":\"tool_use\",\"id\":\"toolu_I\",\"name\":\"sun\",\"input\":{\"days\":3}}],"
            + $"\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"stop_details\":null,\"container\":null,{usage}}}",
            Steady(body).Replace(Input().Match(Steady(body)).Value, "\"input\":{\"days\":3}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AStreamedCallIsABlockWhoseInputComesInPieces()
    {
        await using var server = await StartAsync();
        var frames = Steady(await server.BodyJsonAsync("/v1/messages", $"{{{Asked}{Named},\"stream\":true}}")).Split("\n\n");
        Assert.Equal(
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_I\",\"name\":\"sun\",\"input\":{}}}", frames[3]);
        var input = "";
        foreach (var frame in frames[4..^4])
        {
            Assert.StartsWith("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"", frame);
            using var json = JsonDocument.Parse(frame[frame.IndexOf('{', StringComparison.Ordinal)..]);
            input += json.RootElement.GetProperty("delta").GetProperty("partial_json").GetString();
        }

        Assert.Equal("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}", frames[^4]);
        Assert.Contains("\"stop_reason\":\"tool_use\"", frames[^3]);
        Assert.Equal(("event: message_stop\ndata: {\"type\":\"message_stop\"}", ""), (frames[^2], frames[^1]));
        using var parsed = JsonDocument.Parse(input);
        Assert.Equal(3, parsed.RootElement.GetProperty("days").GetInt32());
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task SeveralCallsAreBlocksWithoutAGapAndWithIdsOfTheirOwn()
    {
        await using var server = await StartAsync();
        for (var seed = 0; seed < 40; seed++)
        {
            // The end token is made likelier, since this model has no end of calls.
            var fields = $"{{{Asked.Replace("\"seed\":4", $"\"seed\":{seed}", StringComparison.Ordinal)},\"logit_bias\":{{\"2\":{seed}}},\"tools\":[{Sun},{Rain}],\"tool_choice\":{{\"type\":\"any\"}}";
            using var whole = await JsonAsync(server, fields + "}");
            var blocks = whole.RootElement.GetProperty("content").EnumerateArray().ToList();
            if (blocks.Count < 2 || whole.RootElement.GetProperty("stop_reason").GetString() != "tool_use")
                continue;
            var stream = await server.BodyJsonAsync("/v1/messages", fields + ",\"stream\":true}");
            var begun = Regex.Matches(stream, "\"content_block_start\",\"index\":(\\d+),\"content_block\":\\{\"type\":\"tool_use\",\"id\":\"(toolu_[0-9A-Za-z]{24})\",\"name\":\"(\\w+)\"");
            Assert.Equal(Enumerable.Range(0, blocks.Count).Select(static i => $"{i}"), begun.Select(static match => match.Groups[1].Value));
            Assert.Equal(blocks.Select(static block => block.GetProperty("name").GetString()), begun.Select(static match => match.Groups[3].Value));
            Assert.Equal(blocks.Count, begun.Select(static match => match.Groups[2].Value).Distinct().Count());
            return;
        }

        Assert.Fail("no seed of 40 calls twice");
    }

    [Fact]
    public async Task ALimitInsideAnInputIsNoErrorAndNothingOfItIsLost()
    {
        await using var server = await StartAsync();
        var fields = $"{{{Asked.Replace("200", "45", StringComparison.Ordinal)},\"tools\":[{Say}],\"tool_choice\":{{\"type\":\"any\"}}";
        using var whole = await JsonAsync(server, fields + "}");
        Assert.Equal("max_tokens", whole.RootElement.GetProperty("stop_reason").GetString());
        var block = Assert.Single(whole.RootElement.GetProperty("content").EnumerateArray().ToArray());
        Assert.Matches("^\\{\"name\": \"say\", \"arguments\": \\{\\s*\"text\":", block.GetProperty("text").GetString());
        var stream = await server.BodyJsonAsync("/v1/messages", fields + ",\"stream\":true}");
        Assert.Contains("\"input_json_delta\"", stream);
        Assert.Contains("\"stop_reason\":\"max_tokens\"", stream);
        Assert.DoesNotContain("event: error", stream);
        Assert.EndsWith("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", stream);
    }

    [Fact]
    public async Task AMessageIsOverBehindTheFirstCallWhereTheyMayNotBeParallel()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Calls);
        var fields = $"{{{Asked},\"tools\":[{Sun}],\"logit_bias\":{{\"{MarkedStories.WholeCall}\":100}},\"tool_choice\":";
        using var one = await JsonAsync(server, fields + "{\"type\":\"auto\",\"disable_parallel_tool_use\":true}}");
        Assert.Equal(("tool_use", 1), (one.RootElement.GetProperty("stop_reason").GetString(), one.RootElement.GetProperty("content").GetArrayLength()));
        using var none = await JsonAsync(server, fields.Replace("200", "2", StringComparison.Ordinal) + "{\"type\":\"none\"}}");
        Assert.Equal("text", Assert.Single(none.RootElement.GetProperty("content").EnumerateArray().ToArray()).GetProperty("type").GetString());
        await server.AssertQuietAsync();
    }

    [Fact]
    public async Task TheTemplateIsToldOfToolsAndTheyAreCounted()
    {
        await using var server = await StartAsync();
        var body = $"{{{Asked},\"tools\":[{Sun},{{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}},{Rain}]";
        using var counted = JsonDocument.Parse(await server.BodyJsonAsync("/v1/messages/count_tokens", body + "}"));
        using var expected = JsonDocument.Parse(await server.BodyJsonAsync("/tokenize", "{\"content\":\"sun rain user:How many?\",\"add_special\":true}"));
        Assert.Equal(expected.RootElement.GetProperty("tokens").GetArrayLength(), counted.RootElement.GetProperty("input_tokens").GetInt32());
        using var response = await server.PostAsync("/v1/messages", body + "}");
        Assert.Equal("tools[1]", response.Headers.GetValues("x-kvasir-ignored").Single());
    }

    [Fact]
    public async Task AnAnswerIsHeldToItsFormat()
    {
        await using var server = await RunningServer.StartAsync();
        const string schema = "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"cat\",\"dog\"]}},\"required\":[\"kind\"],\"additionalProperties\":false}";
        using var answer = await JsonAsync(server, $"{{{Asked},\"output_config\":{{\"format\":{{\"type\":\"json_schema\",\"schema\":{schema}}}}}}}");
        using var held = JsonDocument.Parse(answer.RootElement.GetProperty("content")[0].GetProperty("text").GetString()!);
        Assert.Contains(held.RootElement.GetProperty("kind").GetString(), (string[])["cat", "dog"]);
        Assert.Equal("end_turn", answer.RootElement.GetProperty("stop_reason").GetString());
    }

    [Theory]
    [InlineData(4)]
    [InlineData(9)]
    public async Task ThinkingIsClosedWhenItsBudgetIsUsedUp(int budget)
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Thinks);
        const string asked = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"temperature\":0,\"max_tokens\":40,\"thinking\":{\"type\":\"enabled\"";
        using var free = await JsonAsync(server, asked + "}}");
        var thought = Assert.Single(free.RootElement.GetProperty("content").EnumerateArray().ToArray()).GetProperty("thinking").GetString()!;
        using var held = await JsonAsync(server, $"{asked},\"budget_tokens\":{budget}}}}}");
        var blocks = held.RootElement.GetProperty("content").EnumerateArray().ToArray();
        Assert.Equal(["thinking", "text"], blocks.Select(static block => block.GetProperty("type").GetString()));
        var cut = blocks[0].GetProperty("thinking").GetString()!;
        Assert.StartsWith(cut, thought);
        using var first = await JsonAsync(server, $"{asked}}}}}".Replace("40", $"{budget}", StringComparison.Ordinal));
        Assert.Equal(first.RootElement.GetProperty("content")[0].GetProperty("thinking").GetString(), cut);
        Assert.Equal(40, held.RootElement.GetProperty("usage").GetProperty("output_tokens").GetInt32());
    }

    [Theory]
    [InlineData(",\"tool_choice\":{\"type\":\"any\"}", "tool_choice.type is 'any', and there are no function tools")]
    [InlineData(",\"tools\":[" + Sun + "],\"tool_choice\":{\"type\":\"tool\",\"name\":\"moon\"}", "tool_choice.name is 'moon'")]
    [InlineData(",\"tools\":[" + Sun + "],\"tool_choice\":{\"type\":\"tool\"}", "tool_choice.name is missing")]
    [InlineData(",\"tools\":[" + Sun + "," + Sun + "]", "'sun' twice")]
    [InlineData(",\"tools\":[{\"name\":\"f\"}]", "tools[0].input_schema is missing")]
    [InlineData(",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":7}}],\"tool_choice\":{\"type\":\"any\"}", "'f'")]
    [InlineData(",\"output_config\":{\"format\":{\"type\":\"xml\"}}", "output_config.format.type is 'xml'")]
    [InlineData(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":0}", "thinking.budget_tokens is 0")]
    public async Task WhatCannotBeHonouredIsRefused(string fields, string words)
    {
        await using var server = await StartAsync();
        using var response = await server.PostAsync("/v1/messages", $"{{{Asked}{fields}}}");
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal((400, "invalid_request_error"), ((int)response.StatusCode, json.RootElement.GetProperty("error").GetProperty("type").GetString()));
        Assert.Contains(words, json.RootElement.GetProperty("error").GetProperty("message").GetString());
    }

    private static Task<RunningServer> StartAsync() => RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));

    private static async Task<JsonDocument> JsonAsync(RunningServer server, string body)
    {
        var text = await server.BodyJsonAsync("/v1/messages", body);
        Assert.DoesNotContain("\"error\":", text);
        return JsonDocument.Parse(text);
    }

    private static string Steady(string body) => Id().Replace(body, "$1_I");

    [GeneratedRegex("(msg|toolu)_[0-9A-Za-z]{24}")]
    private static partial Regex Id();

    [GeneratedRegex("\"usage\":\\{[^}]*\\}\\}")]
    private static partial Regex Usage();

    [GeneratedRegex("\"input\":\\{\\s*\"days\":\\s*3\\s*\\}")]
    private static partial Regex Input();
}
