using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Answers that are held to a form, and what the model thinks before them.</summary>
public sealed class ChatFormatTest
{
    private const string Asked = "\"messages\":[{\"role\":\"user\",\"content\":\"Lily had a\"}],\"temperature\":1,\"seed\":5,\"max_tokens\":300";
    private const string Animal = "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"cat\",\"dog\"]},\"age\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":20}},\"required\":[\"kind\",\"age\"],\"additionalProperties\":false}";

    [Fact]
    public async Task AnyObjectEndsBehindItsBrace()
    {
        await using var server = await RunningServer.StartAsync();
        for (var seed = 0; seed < 5; seed++)
        {
            using var answer = await JsonAsync(server, $"{{{Asked.Replace("\"seed\":5", $"\"seed\":{seed}", StringComparison.Ordinal)},\"response_format\":{{\"type\":\"json_object\"}}}}");
            if (Reason(answer) == "length")
                continue;
            using var json = JsonDocument.Parse(Message(answer, "content")!);
            Assert.Equal(JsonValueKind.Object, json.RootElement.ValueKind);
            Assert.Equal(("stop", '}'), (Reason(answer), Message(answer, "content")![^1]));
            return;
        }

        Assert.Fail("no seed of 5 ends its object in 300 tokens");
    }

    [Fact]
    public async Task AnAnswerIsWhatItsSchemaAllowsWholeAndStreamed()
    {
        await using var server = await RunningServer.StartAsync();
        var fields = $"{{{Asked},\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"animal\",\"strict\":true,\"schema\":{Animal}}}}}";
        using var answer = await JsonAsync(server, fields + "}");
        using var animal = JsonDocument.Parse(Message(answer, "content")!);
        Assert.Contains(animal.RootElement.GetProperty("kind").GetString(), (string[])["cat", "dog"]);
        Assert.InRange(animal.RootElement.GetProperty("age").GetInt32(), 1, 20);
        Assert.Equal((2, "stop"), (animal.RootElement.EnumerateObject().Count(), Reason(answer)));
        var stream = await server.BodyJsonAsync("/v1/chat/completions", fields + ",\"stream\":true}");
        Assert.Equal(Message(answer, "content"), Joined(stream, "content"));
    }

    [Fact]
    public async Task ABadSchemaBehindAGoodOneTouchesNobodyElse()
    {
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.KvMemoryBytes) = (200_000, 1L << 30));
        using var running = new RawConnection(server.Address);
        await running.PostAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":true}");
        Assert.True(await running.ReadUntilAsync("delta"));
        var good = Schema(Animal);
        using (var answer = await JsonAsync(server, good))
            Assert.Equal("stop", Reason(answer));
        using (var bad = await server.PostAsync("/v1/chat/completions", Schema("{\"type\":\"string\",\"pattern\":\"(?=a)b\"}")))
        using (var json = JsonDocument.Parse(await bad.Content.ReadAsStringAsync()))
            Assert.Equal((400, "response_format.json_schema.schema"), ((int)bad.StatusCode, json.RootElement.GetProperty("error").GetProperty("param").GetString()));
        using (var answer = await JsonAsync(server, good))
            Assert.Equal("stop", Reason(answer));
        var before = running.Received.Length;
        Assert.True(await running.ReadUntilAsync("}\n\n"));
        Assert.DoesNotContain("error", running.Received[before..]);
        Assert.Equal(1, server.Engine.RunningCount);
    }

    [Theory]
    [InlineData("{\"type\":\"grammar\"}", "unsupported", "response_format.type")]
    [InlineData("{\"type\":\"json_schema\"}", "invalid_value", "response_format.json_schema")]
    [InlineData("{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\"}}", "invalid_value", "response_format.json_schema.schema")]
    [InlineData("{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":7}}}", "invalid_value", "response_format.json_schema.schema")]
    [InlineData("{\"type\":\"json_schema\",\"json_schema\":{\"strict\":true,\"schema\":{\"type\":\"string\",\"format\":\"date\"}}}", "unsupported", "response_format.json_schema.schema")]
    [InlineData("{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"string\",\"pattern\":\"(?=a)b\"}}}", "unsupported", "response_format.json_schema.schema")]
    [InlineData("{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"string\",\"pattern\":\"(a\"}}}", "invalid_value", "response_format.json_schema.schema")]
    public async Task AFormatThatCannotBeHeldIsRefused(string format, string code, string param)
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/v1/chat/completions", $"{{{Asked},\"response_format\":{format}}}");
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        Assert.Equal((400, code, param), ((int)response.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
    }

    // A token for each of its bytes: the text is held back until the character is whole.
    [Fact]
    public async Task ACharacterOfSeveralTokensIsOneDeltaAndOneThatALimitCutsIsASign()
    {
        await using var server = await RunningServer.StartAsync();
        var asked = Schema("{\"const\":\"\ud83d\ude00!\"}").Replace("{\"messages\"", "{\"stream\":true,\"messages\"", StringComparison.Ordinal);
        var parts = Parts(await server.BodyJsonAsync("/v1/chat/completions", asked));
        Assert.Equal("\"\ud83d\ude00!\"", string.Concat(parts));
        Assert.Single(parts, static part => part.Contains("\ud83d\ude00", StringComparison.Ordinal));
        // The quotation mark, and three of the four bytes.
        Assert.Equal("\"\ufffd", string.Concat(Parts(await server.BodyJsonAsync("/v1/chat/completions", asked.Replace("300", "4", StringComparison.Ordinal)))));

        static string[] Parts(string stream) => [.. stream.Split("\n\n").Where(static frame => frame.StartsWith("data: {", StringComparison.Ordinal))
            .Select(static frame => JsonDocument.Parse(frame[6..]).RootElement.GetProperty("choices")[0].GetProperty("delta"))
            .Select(static delta => delta.TryGetProperty("content", out var text) ? text.GetString()! : "")];
    }

    [Fact]
    public async Task KeywordsThatCouldNotBeFollowedAreNamedInTheHeader()
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/v1/chat/completions", Schema("{\"type\":\"object\",\"properties\":{\"\\u00e9\":{\"enum\":[1],\"format\":\"date\"}},\"required\":[\"\\u00e9\"]}").Replace("{\"messages\"", "{\"store\":true,\"messages\"", StringComparison.Ordinal));
        Assert.Equal("store,/properties/?/format", response.Headers.GetValues("x-kvasir-ignored").Single());
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task WhatTheModelThinksIsApartFromWhatItSays()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Thinks);
        using var open = await JsonAsync(server, $"{{{Asked},\"max_completion_tokens\":20}}");
        Assert.Equal(("", "length"), (Message(open, "content"), Reason(open)));
        Assert.NotEmpty(Message(open, "reasoning_content")!);

        var fields = Schema("{\"enum\":[\"yes\"]}")[..^1] + $",\"logit_bias\":{{\"{MarkedStories.ThinkEnd}\":BIAS}}";
        for (var bias = 1; bias < 100; bias++)
        {
            var held = fields.Replace("BIAS", $"{bias}", StringComparison.Ordinal);
            using var answer = await JsonAsync(server, held + "}");
            if (Reason(answer) == "length" || !answer.RootElement.GetProperty("choices")[0].GetProperty("message").TryGetProperty("reasoning_content", out var thought))
                continue;
            Assert.Equal(("\"yes\"", "stop"), (Message(answer, "content")!.Trim(), Reason(answer)));
            Assert.DoesNotContain("think>", thought.GetString());
            var stream = await server.BodyJsonAsync("/v1/chat/completions", held + ",\"stream\":true}");
            Assert.Equal((thought.GetString(), Message(answer, "content")), (Joined(stream, "reasoning_content"), Joined(stream, "content")));
            return;
        }

        Assert.Fail("no bias of 1 to 99 ends what the model thinks");
    }

    private static string Schema(string schema) => $"{{{Asked},\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"a\",\"schema\":{schema}}}}}}}";

    private static string? Reason(JsonDocument answer) => answer.RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString();

    private static string? Message(JsonDocument answer, string field) => answer.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty(field).GetString();

    // A field's pieces of all chunks.
    private static string Joined(string stream, string field)
    {
        var text = "";
        foreach (var frame in stream.Split("\n\n").Where(static frame => frame.StartsWith("data: {", StringComparison.Ordinal)))
        {
            using var chunk = JsonDocument.Parse(frame[6..]);
            var delta = chunk.RootElement.GetProperty("choices")[0].GetProperty("delta");
            text += delta.TryGetProperty(field, out var piece) ? piece.GetString() : "";
        }

        return text;
    }

    private static async Task<JsonDocument> JsonAsync(RunningServer server, string body)
    {
        var text = await server.BodyJsonAsync("/v1/chat/completions", body);
        Assert.DoesNotContain("\"error\":", text);
        return JsonDocument.Parse(text);
    }
}
