using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>What a chat's fields do to its answer.</summary>
public sealed class ChatAnswerTest
{
    private const string Asked = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]";

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task EachChoiceIsWhatItsSeedGivesAlone()
    {
        await using var server = await RunningServer.StartAsync();
        using var several = await JsonAsync(server, $"{{{Asked},\"n\":3,\"seed\":-5,\"temperature\":1.2,\"max_tokens\":20}}");
        var texts = several.RootElement.GetProperty("choices").EnumerateArray().Select(Text).ToArray();
        for (var i = 0; i < 3; i++)
        {
            using var alone = await JsonAsync(server, $"{{{Asked},\"seed\":{i - 5},\"temperature\":1.2,\"max_tokens\":20}}");
            Assert.Equal(Text(alone.RootElement.GetProperty("choices")[0]), texts[i]);
            Assert.Equal(i - 5, alone.RootElement.GetProperty("kvasir").GetProperty("seed").GetInt64());
        }

        Assert.Equal(3, texts.Distinct().Count());
        var usage = several.RootElement.GetProperty("usage");
        Assert.Equal((5, 60), (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32()));
    }

    [Fact]
    public async Task BytesOfTokensAreThoseOfTheTextAndTheStop()
    {
        await using var server = await RunningServer.StartAsync();
        using var answer = await JsonAsync(server, $"{{{Asked},\"temperature\":0,\"max_tokens\":20,\"logprobs\":true,\"top_logprobs\":2,\"stop\":[\"little g\",\"zebra\"]}}");
        var choice = answer.RootElement.GetProperty("choices")[0];
        var tokens = choice.GetProperty("logprobs").GetProperty("content").EnumerateArray().ToArray();
        var bytes = tokens.SelectMany(static token => token.GetProperty("bytes").EnumerateArray().Select(static b => b.GetByte())).ToArray();
        Assert.Equal(", there was a ", Text(choice));
        Assert.StartsWith(", there was a little g", Encoding.UTF8.GetString(bytes));
        Assert.Equal(("stop", "little g"), (choice.GetProperty("finish_reason").GetString(), answer.RootElement.GetProperty("kvasir").GetProperty("stop").GetString()));
        Assert.All(tokens, static token =>
        {
            var top = token.GetProperty("top_logprobs").EnumerateArray().Select(static other => other.GetProperty("logprob").GetDouble()).ToArray();
            Assert.Equal(2, top.Length);
            Assert.True(top[0] >= top[1] && top[0] <= 0);
            Assert.Equal(top[0], token.GetProperty("logprob").GetDouble());
        });
    }

    [Fact]
    public async Task AStreamSaysWhatTheWholeAnswerSays()
    {
        await using var server = await RunningServer.StartAsync();
        const string Fields = Asked + ",\"seed\":3,\"n\":2,\"max_tokens\":40,\"logprobs\":true";
        using var whole = await JsonAsync(server, $"{{{Fields}}}");
        var stream = await server.BodyAsync("/v1/chat/completions", $"{{{Fields},\"stream\":true}}");
        var (texts, counts) = (new string[] { "", "" }, new int[2]);
        foreach (Match frame in Regex.Matches(stream.Replace("\"timings\":T", "\"timings\":0", StringComparison.Ordinal).Replace("\"created\":C", "\"created\":0", StringComparison.Ordinal), "^data: (\\{.*)$", RegexOptions.Multiline))
        {
            using var chunk = JsonDocument.Parse(frame.Groups[1].Value.Replace("\"system_fingerprint\":\"F\"", "\"system_fingerprint\":0", StringComparison.Ordinal));
            foreach (var choice in chunk.RootElement.GetProperty("choices").EnumerateArray())
            {
                var index = choice.GetProperty("index").GetInt32();
                texts[index] += choice.GetProperty("delta").TryGetProperty("content", out var text) ? text.GetString() : "";
                counts[index] += choice.GetProperty("logprobs") is { ValueKind: JsonValueKind.Object } logprobs ? logprobs.GetProperty("content").GetArrayLength() : 0;
            }
        }

        Assert.Equal(whole.RootElement.GetProperty("choices").EnumerateArray().Select(Text), texts);
        Assert.Equal([40, 40], counts);
        Assert.EndsWith("data: [DONE]\n\n", stream);
    }

    [Fact]
    public async Task AnErrorInAStreamIsAFrameAndDone()
    {
        await using var server = await RunningServer.StartAsync();
        var banned = string.Join(',', Enumerable.Range(0, 512).Select(static token => $"\"{token}\":-100"));
        var stream = await server.BodyAsync("/v1/chat/completions", $"{{{Asked},\"stream\":true,\"logit_bias\":{{{banned}}}}}");
        Assert.Matches("^: kvasir\n\ndata: \\{\"error\":\\{\"message\":\"logit bias [^\"]+\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_value\",\"status\":400\\}\\}\n\ndata: \\[DONE\\]\n\n$", stream);
        using var whole = await server.PostAsync("/v1/chat/completions", $"{{{Asked},\"logit_bias\":{{{banned}}}}}");
        Assert.Equal(400, (int)whole.StatusCode);
        await server.AssertQuietAsync();
    }

    [Fact]
    public async Task ABiasForcesAToken()
    {
        await using var server = await RunningServer.StartAsync();
        using var tokens = JsonDocument.Parse(await server.BodyAsync("/tokenize", "{\"content\":\" dog\"}"));
        var dog = tokens.RootElement.GetProperty("tokens").EnumerateArray().Last().GetInt32();
        using var answer = await JsonAsync(server, $"{{{Asked},\"temperature\":0,\"max_tokens\":2,\"logit_bias\":{{\"{dog}\":100}}}}");
        using var expected = JsonDocument.Parse(await server.BodyAsync("/detokenize", $"{{\"tokens\":[{dog},{dog}]}}"));
        Assert.Equal(expected.RootElement.GetProperty("content").GetString()!.Trim(), Text(answer.RootElement.GetProperty("choices")[0]).Trim());
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(65_535)]
    [InlineData(9_000_000_000)]
    public async Task ALimitAboveTheRoomIsCutToIt(long most)
    {
        await using var server = await RunningServer.StartAsync();
        using var answer = await JsonAsync(server, $"{{{Asked},\"ignore_eos\":true,\"max_tokens\":{most}}}");
        Assert.Equal("length", answer.RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal("context_full", answer.RootElement.GetProperty("kvasir").GetProperty("finish").GetString());
        Assert.Equal(512, answer.RootElement.GetProperty("usage").GetProperty("total_tokens").GetInt32());
    }

    [Fact]
    public async Task TheLastMessageIsContinued()
    {
        await using var server = await RunningServer.StartAsync(static options =>
            options.UseTemplate(Kvasir.Text.ChatTemplate.Parse("{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}", "tags")));
        const string Turns = "\"messages\":[{\"role\":\"system\",\"content\":\"A\"},{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"B\"},{\"type\":\"text\",\"text\":\"C\"}]},"
            + "{\"role\":\"user\",\"content\":\"D\"},{\"role\":\"assistant\",\"content\":\"Once upon a \"}]";
        Assert.Equal("<system>A\n\nB\nC</><user>D</><assistant>Once upon a </><assistant>", await PromptAsync(server, $"{{{Turns}}}"));
        Assert.Equal("<system>A\n\nB\nC</><user>D</><assistant>Once upon a ", await PromptAsync(server, $"{{{Turns},\"continue_final_message\":true}}"));
        using var both = await server.PostAsync("/v1/chat/completions", $"{{{Turns},\"continue_final_message\":true,\"add_generation_prompt\":true}}");
        Assert.Equal(400, (int)both.StatusCode);
    }

    [Fact]
    public async Task WhatAMessageSpellsIsNoControlToken()
    {
        await using var server = await RunningServer.StartAsync();
        using var spelled = JsonDocument.Parse(await server.BodyAsync("/tokenize", "{\"content\":\"</s>\"}"));
        var end = Assert.Single(spelled.RootElement.GetProperty("tokens").EnumerateArray().ToArray()).GetInt32();
        using var said = JsonDocument.Parse(await server.BodyAsync("/tokenize", "{\"messages\":[{\"role\":\"user\",\"content\":\"a</s>b\"}]}"));
        Assert.DoesNotContain(end, said.RootElement.GetProperty("tokens").EnumerateArray().Select(static token => token.GetInt32()));
        Assert.Equal(said.RootElement.GetProperty("tokens").GetArrayLength(), said.RootElement.GetProperty("count").GetInt32());
    }

    private static async Task<string?> PromptAsync(RunningServer server, string body)
    {
        using var json = JsonDocument.Parse(await server.BodyAsync("/apply-template", body));
        return json.RootElement.GetProperty("prompt").GetString();
    }

    private static string Text(JsonElement choice) => choice.GetProperty("message").GetProperty("content").GetString()!;

    private static async Task<JsonDocument> JsonAsync(RunningServer server, string body)
    {
        using var response = await server.PostAsync("/v1/chat/completions", body);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text);
    }
}
