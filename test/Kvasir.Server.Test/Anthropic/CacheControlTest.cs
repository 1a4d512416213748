using System.Text.Json;
using Kvasir.Server.Anthropic;
using Kvasir.Server.Reading;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Anthropic;

/// <summary>What clients mark by cache_control is kept up to the end of the marked block, and for the time that they say.</summary>
public sealed class CacheControlTest(PlainServer plain) : IClassFixture<PlainServer>
{
    private const string Lines = "{% for m in messages %}[{{ m.role }}|{{ m.content or '' }}]{% endfor %}{% if add_generation_prompt %}[{% endif %}";
    private const string Mark = "\"cache_control\":{\"type\":\"ephemeral\"}";
    private static readonly string Story = string.Concat(Enumerable.Repeat("Tom and Lily went to the park. ", 12)).TrimEnd();
    private static readonly string Question = string.Concat(Enumerable.Repeat("What did they do there? ", 8)).TrimEnd();

    public static TheoryData<string, string> Marked => new()
    {
        { $"\"system\":[{Block(Story, Mark)}],\"messages\":[{{\"role\":\"user\",\"content\":\"{Question}\"}}]", $"[system|{Story}][user|" },
        { $"\"system\":[{Block(Story, Mark)},{Block(Question)}],\"messages\":[{{\"role\":\"user\",\"content\":\"{Question}\"}}]", $"[system|{Story}\n" },
        { $"\"messages\":[{{\"role\":\"user\",\"content\":[{Block(Story, Mark)},{Block(Question)}]}}]", $"[user|{Story}\n" },
        { $"\"messages\":[{{\"role\":\"user\",\"content\":[{Block(Story, Mark)}]}},{{\"role\":\"assistant\",\"content\":\"{Question}\"}},{{\"role\":\"user\",\"content\":\"b\"}}]", $"[user|{Story}][assistant|" },
        { $"{Mark},\"messages\":[{{\"role\":\"user\",\"content\":\"{Story}\"}}]", $"[user|{Story}][" },
        { $"\"system\":\"{Story}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{Question}\"}}]", "" },
    };

    [Theory]
    [MemberData(nameof(Marked))]
    public async Task AMarkKeepsWhatStaysTheSameWhateverFollowsItsBlock(string fields, string kept)
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(Lines, "lines")));
        using var same = JsonDocument.Parse(await server.BodyJsonAsync("/tokenize", $"{{\"content\":{JsonSerializer.Serialize(kept)},\"add_special\":true}}"));
        using var answer = await server.PostAsync("/v1/messages", $"{{{fields},\"max_tokens\":4,\"temperature\":0}}");
        using var message = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.False(answer.Headers.Contains("x-kvasir-ignored"));
        var tokens = kept.Length == 0 ? 0 : same.RootElement.GetProperty("tokens").GetArrayLength();
        // What a word is cut into may depend on what follows it.
        Assert.InRange(server.Engine.Prefixes.KeptTokens, (tokens - 2) / 32 * 32, tokens / 32 * 32);
        Assert.True(kept.Length == 0 || server.Engine.Prefixes.KeptTokens >= 64);
        Assert.InRange(server.Engine.Prefixes.KeptTokens, 0, message.RootElement.GetProperty("usage").GetProperty("cache_creation_input_tokens").GetInt32());
    }

    [Fact]
    public async Task AMarkOfToolsKeepsThemAndWhatIsBeforeThem()
    {
        using var model = new MarkedStories();
        await using var server = await model.StartAsync(MarkedStories.Calls);
        var tools = string.Join(',', Enumerable.Range(0, 20).Select(static i => $"{{\"name\":\"park_ball_{i}\",\"input_schema\":{{\"type\":\"object\"}}{(i == 19 ? $",{Mark}" : "")}}}"));
        await server.BodyJsonAsync("/v1/messages", $"{{\"tools\":[{tools}],\"messages\":[{{\"role\":\"user\",\"content\":\"{Question}\"}}],\"max_tokens\":4,\"temperature\":0}}");
        var names = string.Concat(Enumerable.Range(0, 20).Select(static i => $"park_ball_{i} "));
        using var same = JsonDocument.Parse(await server.BodyJsonAsync("/tokenize", $"{{\"content\":\"{names}user:\",\"add_special\":true}}"));
        var tokens = same.RootElement.GetProperty("tokens").GetArrayLength();
        Assert.InRange(server.Engine.Prefixes.KeptTokens, Math.Max(64, (tokens - 2) / 32 * 32), tokens / 32 * 32);
    }

    [Theory]
    [InlineData("{\"type\":\"ephemeral\"}", 5)]
    [InlineData("{\"type\":\"ephemeral\",\"ttl\":\"5m\"}", 5)]
    [InlineData("{\"type\":\"ephemeral\",\"ttl\":\"1h\"}", 60)]
    public void AMarkSaysForHowLong(string mark, int minutes)
    {
        using var json = JsonDocument.Parse($"{{\"cache_control\":{mark}}}");
        var points = new CachePoints();
        points.Read(new RequestFields(json.RootElement, RequestPath.Root, new IgnoredFields(isStrict: true)), 3, 7);
        Assert.Equal((3, 7, TimeSpan.FromMinutes(minutes)), (points.All[0].Turn, points.All[0].Chars, points.All[0].Time));
    }

    [Theory]
    [InlineData("{\"type\":\"lasting\"}", "cache_control.type is 'lasting'")]
    [InlineData("{\"type\":\"ephemeral\",\"ttl\":\"2h\"}", "cache_control.ttl is '2h'")]
    [InlineData("{}", "cache_control.type is missing")]
    public async Task AMarkThatIsNoneIsRefused(string mark, string words)
    {
        var server = plain.Server;
        var body = await server.BodyJsonAsync("/v1/messages", $"{{\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":[{Block("a", $"\"cache_control\":{mark}")}]}}]}}");
        Assert.Contains($"messages[0].content[0].{words}", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MoreThanFourMarksAreRefused()
    {
        var server = plain.Server;
        var blocks = string.Join(',', Enumerable.Repeat(Block("a", Mark), 5));
        Assert.Contains("at most 4 blocks", await server.BodyJsonAsync("/v1/messages", $"{{\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":[{blocks}]}}]}}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task UsageTellsWhatIsKeptForAnHourFromTheRest()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(Lines, "lines")));
        const string ForAnHour = "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}";
        var body = $"{{\"system\":[{Block(Story, ForAnHour)}],\"messages\":[{{\"role\":\"user\",\"content\":[{Block(Question, Mark)}]}}],\"max_tokens\":2,\"temperature\":0}}";
        var (cold, warm) = (await UsageAsync(server, body), await UsageAsync(server, body));
        Assert.True(cold.Hour >= 64 && cold.Short >= 32 && cold.Hour % 32 == 0, $"{cold}");
        Assert.Equal(cold.Written, cold.Hour + cold.Short);
        Assert.Equal((cold.Written, 0, 0, 0), (warm.Read, warm.Written, warm.Hour, warm.Short));
        // Of what is written behind what was there nothing is the system's.
        var longer = await UsageAsync(server, body.Replace("What did they do there?", "What did they see there?", StringComparison.Ordinal));
        Assert.Equal((true, 0, longer.Written), (longer.Read >= cold.Hour, longer.Hour, longer.Short));
    }

    // Clients that show what a request costs look at either.
    [Fact]
    public async Task AStreamSaysAtItsBeginningWhatItSaysAtItsEnd()
    {
        await using var server = await RunningServer.StartAsync();
        foreach (var isSecond in (bool[])[false, true])
        {
            var frames = (await server.BodyJsonAsync("/v1/messages", $"{{\"stream\":true,\"max_tokens\":2,\"temperature\":0,\"messages\":[{{\"role\":\"user\",\"content\":\"{Story}\"}}]}}")).Split("\n\n");
            int[][] told = [.. frames.Where(static frame => frame.Contains("\"usage\"", StringComparison.Ordinal)).Select(Input)];
            Assert.Equal(2, told.Length);
            Assert.Equal(told[1], told[0]);
            Assert.True(isSecond ? told[0][1] >= 64 : told[0][2] >= 64, string.Join(' ', told[0]));
        }

        static int[] Input(string frame)
        {
            using var json = JsonDocument.Parse(frame[frame.IndexOf('{', StringComparison.Ordinal)..]);
            var usage = json.RootElement.TryGetProperty("message", out var message) ? message.GetProperty("usage") : json.RootElement.GetProperty("usage");
            return [usage.GetProperty("input_tokens").GetInt32(), usage.GetProperty("cache_read_input_tokens").GetInt32(), usage.GetProperty("cache_creation_input_tokens").GetInt32()];
        }
    }

    private static async Task<(int Read, int Written, int Hour, int Short)> UsageAsync(RunningServer server, string body)
    {
        using var message = JsonDocument.Parse(await server.BodyJsonAsync("/v1/messages", body));
        var usage = message.RootElement.GetProperty("usage");
        var created = usage.GetProperty("cache_creation");
        return (usage.GetProperty("cache_read_input_tokens").GetInt32(), usage.GetProperty("cache_creation_input_tokens").GetInt32(),
            created.GetProperty("ephemeral_1h_input_tokens").GetInt32(), created.GetProperty("ephemeral_5m_input_tokens").GetInt32());
    }

    private static string Block(string text, string? mark = null) => $"{{\"type\":\"text\",\"text\":\"{text}\"{(mark is null ? "" : $",{mark}")}}}";
}
