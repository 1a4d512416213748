using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>Prompts with a suffix: the model is asked for what belongs between.</summary>
public sealed class GapTest
{
    private const string Begun = "Once upon <fim_middle> a";
    private const string Ended = " a cat.<fim_suffix>";

    [Fact]
    public async Task WhatStandsBeforeAndBehindAGapIsToldByTheModelsOwnTokensAndNobodyElseSpellsThem()
    {
        using var model = new MarkedStories();
        await using var server = await model.StartAsync(MarkedStories.Thinks);
        int[] expected =
        [
            1, MarkedStories.FillPrefix, .. await TokensAsync(server, Begun), MarkedStories.FillSuffix, .. await TokensAsync(server, Ended),
            MarkedStories.FillMiddle,
        ];
        var fields = $"\"prompt\":\"{Begun}\",\"suffix\":\"{Ended}\"";
        using var filled = JsonDocument.Parse(await server.BodyJsonAsync(
            "/api/generate", $"{{{fields},\"system\":\"ignored\",\"stream\":false,\"options\":{{\"temperature\":0,\"num_predict\":8}}}}"));
        Assert.Equal(expected, filled.RootElement.GetProperty("context").EnumerateArray().Select(static token => token.GetInt32()).SkipLast(8));
        using var same = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{{fields},\"temperature\":0,\"max_tokens\":8}}"));
        Assert.Equal(filled.RootElement.GetProperty("response").GetString(), same.RootElement.GetProperty("choices")[0].GetProperty("text").GetString());
        using var show = JsonDocument.Parse(await server.BodyJsonAsync("/api/show", "{}"));
        Assert.Contains("insert", show.RootElement.GetProperty("capabilities").EnumerateArray().Select(static word => word.GetString()));
    }

    [Theory]
    [InlineData("/v1/completions", "\"prompt\":\"Once\",\"suffix\":\" end\"", "does not support insert")]
    [InlineData("/api/generate", "\"prompt\":\"Once\",\"suffix\":\" end\"", "does not support insert")]
    [InlineData("/v1/completions", "\"prompt\":\"Once\",\"suffix\":3", "suffix is a number")]
    public async Task AModelThatFillsNoGapsSaysSo(string path, string fields, string words)
    {
        await using var server = await RunningServer.StartAsync();
        using var refused = await server.PostAsync(path, $"{{{fields}}}");
        Assert.Equal(400, (int)refused.StatusCode);
        Assert.Contains(words, await refused.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("\"prompt\":[\"a\",\"b\"],\"suffix\":\" end\"", "prompt is a list")]
    [InlineData("\"prompt\":\"a\",\"suffix\":\" end\",\"echo\":true", "echo")]
    public async Task OnePromptHasASuffixAndIsNotEchoed(string fields, string words)
    {
        using var model = new MarkedStories();
        await using var server = await model.StartAsync(MarkedStories.Thinks);
        using var refused = await server.PostAsync("/v1/completions", $"{{{fields}}}");
        Assert.Equal(400, (int)refused.StatusCode);
        Assert.Contains(words, await refused.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task AnEmptySuffixIsNone()
    {
        await using var server = await RunningServer.StartAsync();
        const string fields = "\"prompt\":\"Once upon a time\",\"max_tokens\":8,\"temperature\":0";
        Assert.Equal(await TextAsync(server, fields), await TextAsync(server, $"{fields},\"suffix\":\"\""));
    }

    private static async Task<string?> TextAsync(RunningServer server, string fields)
    {
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", $"{{{fields}}}"));
        return answer.RootElement.GetProperty("choices")[0].GetProperty("text").GetString();
    }

    private static async Task<int[]> TokensAsync(RunningServer server, string text)
    {
        using var tokens = JsonDocument.Parse(await server.BodyJsonAsync("/tokenize", $"{{\"content\":\"{text}\",\"parse_special\":false}}"));
        return [.. tokens.RootElement.GetProperty("tokens").EnumerateArray().Select(static token => token.GetInt32())];
    }
}
