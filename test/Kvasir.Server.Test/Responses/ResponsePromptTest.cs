using System.Text.Json;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Responses;

/// <summary>What items become in the prompt, and what is refused. The template writes every turn in a line, so that what is counted says what was read.</summary>
public sealed class ResponsePromptTest
{
    private const string Lines = "{% for m in messages %}[{{ m.role }}{% if m.reasoning_content %}|{{ m.reasoning_content }}{% endif %}{% if m.name %}|{{ m.name }}{% endif %}|{{ m.content or '' }}"
        + "{% for c in m.tool_calls or [] %}|{{ c.function.name }} {{ c.function.arguments | tojson }}{% endfor %}]{% endfor %}{% if add_generation_prompt %}[{% endif %}";
    private const string Function = "{\"type\":\"function\",\"name\":\"sun\",\"parameters\":{\"type\":\"object\",\"properties\":{\"days\":{\"enum\":[3]}},\"required\":[\"days\"],\"additionalProperties\":false}}";

    [Theory]
    [InlineData("\"input\":\"a\",\"instructions\":\"s\"", "[system|s][user|a][")]
    [InlineData("\"instructions\":\"s\",\"input\":[{\"type\":\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"t\"}]},{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_text\",\"text\":\"b\"}]}]", "[system|s\n\nt][user|a\nb][")]
    [InlineData(
        "\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"h\"}],\"encrypted_content\":null},"
        + "{\"type\":\"message\",\"id\":\"msg_1\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"b\",\"annotations\":[],\"logprobs\":[]}]},"
        + "{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"call_1\",\"name\":\"f\",\"arguments\":\"{\\\"k\\\":1}\"},{\"type\":\"function_call\",\"call_id\":\"call_2\",\"name\":\"g\",\"arguments\":\"\"},"
        + "{\"type\":\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"r\"},{\"type\":\"function_call_output\",\"call_id\":\"call_2\",\"output\":[{\"type\":\"input_text\",\"text\":\"q\"}]}]",
        "[user|a][assistant|h|b|f {\"k\": 1}|g {}][tool|f|r][tool|g|q][")]
    [InlineData(
        "\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"assistant\",\"content\":\"c\"},{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"h\"}]},"
        + "{\"type\":\"function_call\",\"call_id\":\"1\",\"name\":\"f\"},{\"role\":\"user\",\"content\":\"d\"}]",
        "[user|a][assistant|b][assistant|c][assistant|h||f {}][user|d][")]
    public async Task ItemsBecomeTurns(string body, string prompt)
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(Lines, "lines")));
        using var counted = JsonDocument.Parse(await server.BodyJsonAsync("/v1/responses/input_tokens", $"{{{body}}}"));
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/responses", $"{{{body},\"max_output_tokens\":4,\"temperature\":0}}"));
        using var same = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{\"prompt\":{JsonSerializer.Serialize(prompt)},\"max_tokens\":4,\"temperature\":0}}"));
        var tokens = same.RootElement.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
        Assert.Equal("response.input_tokens", counted.RootElement.GetProperty("object").GetString());
        Assert.Equal((tokens, tokens), (counted.RootElement.GetProperty("input_tokens").GetInt32(), answer.RootElement.GetProperty("usage").GetProperty("input_tokens").GetInt32()));
        Assert.Equal(
            same.RootElement.GetProperty("choices")[0].GetProperty("text").GetString(),
            answer.RootElement.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString());
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("{}", "invalid_value", "input")]
    [InlineData("{\"input\":[]}", "invalid_value", "input")]
    [InlineData("{\"input\":7}", "invalid_value", "input")]
    [InlineData("{\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"item_reference\",\"id\":\"msg_1\"}]}", "unsupported", "input[1].type")]
    [InlineData("{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"x\"}]}]}", "unsupported", "input[0].content[0].type")]
    [InlineData("{\"input\":\"a\",\"previous_response_id\":\"resp_1\"}", "unsupported", "previous_response_id")]
    [InlineData("{\"input\":\"a\",\"conversation\":\"c\"}", "unsupported", "conversation")]
    [InlineData("{\"input\":\"a\",\"prompt\":{\"id\":\"p\"}}", "unsupported", "prompt")]
    [InlineData("{\"input\":\"a\",\"background\":true}", "unsupported", "background")]
    [InlineData("{\"input\":\"a\",\"truncation\":\"auto\"}", "unsupported", "truncation")]
    [InlineData("{\"input\":\"a\",\"max_output_tokens\":0}", "invalid_value", "max_output_tokens")]
    [InlineData("{\"input\":\"a\",\"reasoning\":{\"effort\":\"huge\"}}", "invalid_value", "reasoning.effort")]
    [InlineData("{\"input\":\"a\",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"f\"}}}", "invalid_value", "text.format.schema")]
    [InlineData("{\"input\":\"a\",\"tools\":[" + Function + "],\"tool_choice\":{\"type\":\"function\",\"name\":\"moon\"}}", "invalid_value", "tool_choice.name")]
    public async Task WhatIsNotThereIsRefusedByItsPlace(string body, string code, string param)
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));
        using var response = await server.PostAsync("/v1/responses", body);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        Assert.Equal((400, code, param), ((int)response.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
    }

    // What codex 0.169 sends beside its messages.
    [Fact]
    public async Task WhatOnlyOthersServersDoIsIgnoredAndNamed()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));
        using var response = await server.PostAsync(
            "/v1/responses",
            "{\"model\":\"stories260K\",\"instructions\":\"s\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"}]}],\"tools\":[" + Function
            + ",{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[]},{\"type\":\"web_search\"}],\"tool_choice\":\"auto\",\"parallel_tool_calls\":false,\"reasoning\":{\"summary\":\"auto\"},\"store\":false,\"stream\":false,"
            + "\"include\":[\"reasoning.encrypted_content\"],\"prompt_cache_key\":\"k\",\"client_metadata\":{},\"max_output_tokens\":2}");
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(["client_metadata", "include[0]", "prompt_cache_key", "tools[1]", "tools[2]"], response.Headers.GetValues("x-kvasir-ignored").Single().Split(',').Order(StringComparer.Ordinal));
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(("sun", 1), (json.RootElement.GetProperty("tools")[0].GetProperty("name").GetString(), json.RootElement.GetProperty("tools").GetArrayLength()));
    }

    [Fact]
    public async Task AnAnswerIsHeldToItsFormat()
    {
        await using var server = await RunningServer.StartAsync();
        const string format = "{\"type\":\"json_schema\",\"name\":\"animal\",\"strict\":true,\"schema\":{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"cat\",\"dog\"]}},\"required\":[\"kind\"],\"additionalProperties\":false}}";
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/responses", $"{{\"input\":\"Lily had a\",\"seed\":1,\"text\":{{\"format\":{format}}}}}"));
        using var held = JsonDocument.Parse(answer.RootElement.GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString()!);
        Assert.Contains(held.RootElement.GetProperty("kind").GetString(), (string[])["cat", "dog"]);
        Assert.Equal(("completed", "animal"), (answer.RootElement.GetProperty("status").GetString(), answer.RootElement.GetProperty("text").GetProperty("format").GetProperty("name").GetString()));
    }
}
