using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>Templates that requests bring along: a program of whoever asks, which nobody runs unasked.</summary>
public sealed class RequestTemplateTest
{
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}]";
    private const string Template = "\"chat_template\":\"<{{ messages[0].content }}>\"";

    [Theory]
    [InlineData("/v1/chat/completions", Messages + "," + Template)]
    [InlineData("/v1/chat/completions", Messages + ",\"template\":\"x\"")]
    [InlineData("/v1/messages", Messages + ",\"max_tokens\":1," + Template)]
    [InlineData("/v1/responses", "\"input\":\"Once\"," + Template)]
    [InlineData("/v1/completions", "\"prompt\":\"Once\"," + Template)]
    [InlineData("/api/chat", Messages + "," + Template)]
    [InlineData("/api/generate", "\"prompt\":\"Once\",\"template\":\"{{ .Prompt }}\"")]
    [InlineData("/apply-template", Messages + "," + Template)]
    [InlineData("/tokenize", Messages + "," + Template)]
    [InlineData("/v1/messages/count_tokens", Messages + "," + Template)]
    public async Task ATemplateOfARequestIsRefusedUnlessTheServerTakesThem(string path, string fields)
    {
        await using var server = await RunningServer.StartAsync();
        using var refused = await server.PostAsync(path, $"{{{fields}}}");
        Assert.Equal(400, (int)refused.StatusCode);
        Assert.Contains("templates come from the model's files", await refused.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("\"template\":\"\"")]
    [InlineData("\"chat_template\":null,\"template\":null")]
    public async Task AnEmptyTemplateIsNone(string fields)
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal("Once", await PromptAsync(server, $"{{{Messages},{fields}}}"));
    }

    [Fact]
    public async Task AServerThatTakesThemRendersByThemAndByItsOwnOtherwise()
    {
        await using var server = await RunningServer.StartAsync(static options => options.AllowsRequestTemplates = true);
        Assert.Equal("<Once>", await PromptAsync(server, $"{{{Messages},{Template}}}"));
        Assert.Equal("Once", await PromptAsync(server, $"{{{Messages}}}"));
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/chat/completions", $"{{{Messages},{Template},\"max_tokens\":4,\"temperature\":0}}"));
        using var same = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", "{\"prompt\":\"<Once>\",\"max_tokens\":4,\"temperature\":0}"));
        Assert.Equal(
            same.RootElement.GetProperty("choices")[0].GetProperty("text").GetString(),
            answer.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [Theory]
    [InlineData("{% for", "template_refused")]
    [InlineData("{{ raise_exception('no turns') }}", "no turns")]
    [InlineData("", "chat_template has 0 bytes")]
    public async Task ATemplateWithAnErrorIsRefused(string template, string words)
    {
        await using var server = await RunningServer.StartAsync(static options => options.AllowsRequestTemplates = true);
        using var refused = await server.PostAsync("/v1/chat/completions", $"{{{Messages},\"chat_template\":\"{template}\"}}");
        Assert.Equal(400, (int)refused.StatusCode);
        Assert.Contains(words, await refused.Content.ReadAsStringAsync());
    }

    private static async Task<string?> PromptAsync(RunningServer server, string body)
    {
        using var json = JsonDocument.Parse(await server.BodyJsonAsync("/apply-template", body));
        return json.RootElement.GetProperty("prompt").GetString();
    }
}
