using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Tools of a chat: what comes back, to the byte, and what is refused.</summary>
public sealed class ChatCallsTest
{
    private const string Asked = "\"messages\":[{\"role\":\"user\",\"content\":\"How many?\"}],\"temperature\":1,\"seed\":4";
    private const string Sun = "{\"type\":\"function\",\"function\":{\"name\":\"sun\",\"parameters\":{\"type\":\"object\",\"properties\":{\"days\":{\"enum\":[3]}},\"required\":[\"days\"],\"additionalProperties\":false}}}";
    private const string Rain = "{\"type\":\"function\",\"function\":{\"name\":\"rain\",\"description\":\"falls\",\"parameters\":{\"properties\":{},\"additionalProperties\":false}}}";
    private const string Say = "{\"type\":\"function\",\"function\":{\"name\":\"say\",\"parameters\":{\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}}}";
    private const string Named = ",\"tools\":[" + Rain + "," + Sun + "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"sun\"}}";
    private const string Head = "{\"id\":\"chatcmpl-I\",\"object\":\"chat.completion.chunk\",\"created\":C,\"model\":\"stories260K\",\"system_fingerprint\":\"F\",\"choices\":[";

    [Fact]
    public async Task AForcedCallComesWhole()
    {
        await using var server = await StartAsync();
        var body = await server.BodyAsync("/v1/chat/completions", $"{{{Asked}{Named}}}");
        var arguments = JsonSerializer.Deserialize<string>(Regex.Match(body, "\"arguments\":(\"(?:[^\"\\\\]|\\\\.)*\")").Groups[1].Value)!;
        Assert.Equal("{\"days\":3}", arguments.Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));
        var usage = Regex.Match(body, "\"usage\":\\{.*?\\}\\}").Value;
        Assert.Equal(
            "{\"id\":\"chatcmpl-I\",\"object\":\"chat.completion\",\"created\":C,\"model\":\"stories260K\",\"system_fingerprint\":\"F\",\"choices\":["
            + "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"tool_calls\":[{\"id\":\"call_I\",\"type\":\"function\",\"function\":{\"name\":\"sun\",\"arguments\":"
            + $"{Quoted(arguments)}}}}}]}},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}}],{usage},\"timings\":T,"
            + "\"kvasir\":{\"attention\":\"dense\",\"keys_read_share\":1,\"kv_type\":\"bf16\",\"cache\":{\"tier_ram\":0,\"diverged_at\":null},\"seed\":4,\"finish\":\"end\"}}",
            WithoutId(body));
    }

    [Theory]
    [InlineData("{\"type\":\"function\",\"function\":{\"name\":\"rain\"}}")]
    [InlineData("{\"type\":\"function\",\"function\":{\"name\":\"rain\",\"parameters\":null}}")]
    [InlineData("{\"type\":\"function\",\"function\":{\"name\":\"rain\",\"parameters\":{\"type\":\"object\",\"required\":[],\"properties\":{}}}}")]
    public async Task AFunctionWithoutParametersIsCalledWithNoArguments(string rain)
    {
        await using var server = await StartAsync();
        var fields = $",\"max_tokens\":80,\"tools\":[{rain}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false";
        for (var seed = 0; seed < 5; seed++)
        {
            using var whole = await JsonAsync(server, $"{{{Asked[..^1]}{seed}{fields}}}");
            Assert.Equal("tool_calls", whole.RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
            var arguments = Call(whole, 0).GetProperty("function").GetProperty("arguments").GetString()!;
            Assert.Equal("{}", arguments.Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task AForcedCallIsStreamedInPieces()
    {
        await using var server = await StartAsync();
        using var whole = await JsonAsync(server, $"{{{Asked}{Named}}}");
        var frames = WithoutId(await server.BodyAsync("/v1/chat/completions", $"{{{Asked}{Named},\"stream\":true}}")).Split("\n\n");
        Assert.Equal(": kvasir", frames[0]);
        Assert.Equal(
            $"data: {Head}{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{{\"index\":0,\"id\":\"call_I\",\"type\":\"function\",\"function\":{{\"name\":\"sun\",\"arguments\":\"\"}}}}]}},"
            + "\"logprobs\":null,\"finish_reason\":null}]}",
            frames[1]);
        Assert.Equal(
            $"data: {Head}{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}}],\"timings\":T,"
            + "\"kvasir\":{\"attention\":\"dense\",\"keys_read_share\":1,\"kv_type\":\"bf16\",\"cache\":{\"tier_ram\":0,\"diverged_at\":null},\"seed\":4,\"finish\":\"end\"}}",
            frames[^3]);
        Assert.Equal(("data: [DONE]", ""), (frames[^2], frames[^1]));
        var arguments = "";
        foreach (var frame in frames[2..^3])
        {
            var piece = Regex.Match(frame, "\"arguments\":(\"(?:[^\"\\\\]|\\\\.)*\")").Groups[1].Value;
            Assert.Equal($"data: {Head}{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":{piece}}}}}]}},\"logprobs\":null,\"finish_reason\":null}}]}}", frame);
            arguments += JsonSerializer.Deserialize<string>(piece);
        }

        Assert.Equal(Call(whole, 0).GetProperty("function").GetProperty("arguments").GetString(), arguments);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task SeveralCallsHaveAnIndexAndAnIdEach()
    {
        await using var server = await StartAsync();
        for (var seed = 0; seed < 40; seed++)
        {
            // The end token is made likelier, since this model has no end of calls.
            var fields = $"{{{Asked[..^1]}{seed},\"logit_bias\":{{\"2\":{seed}}},\"max_tokens\":200,\"tools\":[{Sun},{Rain}],\"tool_choice\":\"required\"";
            using var whole = await JsonAsync(server, fields + "}");
            var choice = whole.RootElement.GetProperty("choices")[0];
            var calls = choice.GetProperty("message").GetProperty("tool_calls").EnumerateArray().Select(static call => call.GetProperty("function").GetProperty("name").GetString()).ToList();
            if (calls.Count < 2 || choice.GetProperty("finish_reason").GetString() != "tool_calls")
                continue;
            var stream = await server.BodyAsync("/v1/chat/completions", fields + ",\"stream\":true}");
            var begun = Regex.Matches(stream, "\"tool_calls\":\\[\\{\"index\":(\\d+),\"id\":\"(call_[0-9A-Za-z]{24})\",\"type\":\"function\",\"function\":\\{\"name\":\"(\\w+)\"");
            Assert.Equal(Enumerable.Range(0, calls.Count).Select(static i => $"{i}"), begun.Select(static match => match.Groups[1].Value));
            Assert.Equal(calls, begun.Select(static match => match.Groups[3].Value));
            Assert.Equal(calls.Count, begun.Select(static match => match.Groups[2].Value).Distinct().Count());
            return;
        }

        Assert.Fail("no seed of 40 calls twice");
    }

    [Fact]
    public async Task ALimitInsideArgumentsLeavesThemAsFarAsTheyCame()
    {
        await using var server = await StartAsync();
        var fields = $"{{{Asked},\"max_tokens\":45,\"tools\":[{Say}],\"tool_choice\":\"required\"";
        using var whole = await JsonAsync(server, fields + "}");
        Assert.Equal("length", whole.RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        var arguments = Call(whole, 0).GetProperty("function").GetProperty("arguments").GetString()!;
        Assert.StartsWith("{\"text\":", arguments.Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));
        Assert.ThrowsAny<JsonException>(() => JsonDocument.Parse(arguments));
        var stream = await server.BodyAsync("/v1/chat/completions", fields + ",\"stream\":true}");
        Assert.Contains("\"finish_reason\":\"length\"", stream);
        Assert.DoesNotContain("\"error\"", stream);
        Assert.EndsWith("data: [DONE]\n\n", stream);
    }

    [Fact]
    public async Task WhatIsLeftToTheModelIsTextUnlessItCalls()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Calls);
        var tools = $"{{{Asked},\"max_tokens\":2,\"tools\":[{Sun},{Rain}]";
        using var text = await JsonAsync(server, tools + "}");
        Assert.False(text.RootElement.GetProperty("choices")[0].GetProperty("message").TryGetProperty("tool_calls", out _));
        var calls = tools + $",\"logit_bias\":{{\"{MarkedStories.WholeCall}\":100}}";
        using var two = await JsonAsync(server, calls + "}");
        Assert.Equal(["0", "1"], two.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls").EnumerateArray().Select(static (_, i) => $"{i}"));
        using var banned = await JsonAsync(server, calls + ",\"tool_choice\":\"none\"}");
        Assert.StartsWith("<tool_call>", banned.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task AnAnswerIsOverBehindTheOnlyCallThatIsAllowed()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Calls);
        using var one = await JsonAsync(server, $"{{{Asked},\"tools\":[{Sun}],\"parallel_tool_calls\":false,\"logit_bias\":{{\"{MarkedStories.WholeCall}\":100}}}}");
        var choice = one.RootElement.GetProperty("choices")[0];
        Assert.Equal(("tool_calls", "end"), (choice.GetProperty("finish_reason").GetString(), one.RootElement.GetProperty("kvasir").GetProperty("finish").GetString()));
        Assert.Equal("{}", Assert.Single(choice.GetProperty("message").GetProperty("tool_calls").EnumerateArray().ToArray()).GetProperty("function").GetProperty("arguments").GetString());
        Assert.InRange(one.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), 1, 400);
        await server.AssertQuietAsync();
    }

    [Fact]
    public async Task NoneBansTheTokenThatOpensACall()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Calls);
        var opens = $"{{{Asked},\"max_tokens\":3,\"tools\":[{Sun}],\"logit_bias\":{{\"{MarkedStories.CallBegin}\":100}}";
        using var free = await JsonAsync(server, opens + "}");
        Assert.Contains("<tool_call>", free.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        using var none = await JsonAsync(server, opens + ",\"tool_choice\":\"none\"}");
        Assert.DoesNotContain("<tool_call>", none.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task APromptTellsOfToolsCallsAndResultsAndOnlyOfThoseThatAreAllowed()
    {
        await using var server = await StartAsync();
        const string Turns = "{\"messages\":[{\"role\":\"user\",\"content\":\"A\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"sun\",\"arguments\":\"{\\\"days\\\":3}\"}}]},"
            + "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"B\"}],\"tools\":[" + Sun + "," + Rain + "]";
        const string Rest = "user:Aassistant:<tool_call>{\"name\": \"sun\", \"arguments\": {\"days\": 3}}</tool_call>tool:B";
        foreach (var choice in (string[])["", ",\"tool_choice\":\"none\"", ",\"tool_choice\":\"required\"", ",\"tool_choice\":" + Allowed("required", "rain"), ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"rain\"}}"])
            Assert.Equal("sun rain " + Rest, await PromptAsync(server, Turns + choice + "}"));
        Assert.Equal("rain " + Rest, await PromptAsync(server, Turns + ",\"tool_choice\":" + Allowed("auto", "rain") + "}"));
        using var called = await JsonAsync(server, Turns + ",\"max_tokens\":200,\"parallel_tool_calls\":false,\"tool_choice\":" + Allowed("required", "rain") + "}");
        Assert.Equal("rain", Call(called, 0).GetProperty("function").GetProperty("name").GetString());
    }

    [Theory]
    [InlineData(",\"tool_choice\":\"required\"", "invalid_value", "tool_choice")]
    [InlineData(",\"tools\":[" + Sun + "],\"tool_choice\":\"any\"", "invalid_value", "tool_choice")]
    [InlineData(",\"tools\":[" + Sun + "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"moon\"}}", "invalid_value", "tool_choice.function.name")]
    [InlineData(",\"tools\":[{\"type\":\"web_search\"}],\"tool_choice\":{\"type\":\"web_search\"}", "unsupported", "tool_choice.type")]
    [InlineData(",\"tools\":[" + Sun + "," + Sun + "]", "invalid_value", "tools")]
    [InlineData(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"\"}}]", "invalid_value", "tools[0].function.name")]
    [InlineData(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":7}}}],\"tool_choice\":\"required\"", "invalid_value", "tools")]
    [InlineData(",\"parallel_tool_calls\":1", "invalid_value", "parallel_tool_calls")]
    public async Task ToolsThatCannotBeHonouredAreRefused(string fields, string code, string param)
    {
        await using var server = await StartAsync();
        using var response = await server.PostAsync("/v1/chat/completions", $"{{{Asked}{fields}}}");
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        Assert.Equal((400, code, param), ((int)response.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task ATemplateWithoutToolsSaysSo()
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/v1/chat/completions", $"{{{Asked},\"tools\":[{Sun}]}}");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("does not support tools", await response.Content.ReadAsStringAsync());
    }

    private static string Allowed(string mode, string name) =>
        $"{{\"type\":\"allowed_tools\",\"allowed_tools\":{{\"mode\":\"{mode}\",\"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"{name}\"}}}}]}}}}";

    private static Task<RunningServer> StartAsync() => RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));

    private static string WithoutId(string body) => Regex.Replace(body, "call_[0-9A-Za-z]{24}", "call_I");

    // Quotes as the server escapes them.
    private static string Quoted(string text) => $"\"{text.Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"";

    private static JsonElement Call(JsonDocument answer, int index) => answer.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls")[index];

    private static async Task<string?> PromptAsync(RunningServer server, string body)
    {
        using var json = JsonDocument.Parse(await server.BodyJsonAsync("/apply-template", body));
        return json.RootElement.GetProperty("prompt").GetString();
    }

    private static async Task<JsonDocument> JsonAsync(RunningServer server, string body)
    {
        var text = await server.BodyJsonAsync("/v1/chat/completions", body);
        Assert.DoesNotContain("\"error\":", text);
        return JsonDocument.Parse(text);
    }
}
