using System.Text.Json;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Ollama;

/// <summary>How long models stay where a request of Ollama's dialect says it.</summary>
public sealed class KeepAliveTest : IDisposable
{
    private const string Question = "\"prompt\":\"Once upon a time\",\"raw\":true,\"stream\":false,\"options\":{\"num_predict\":1}";
    private readonly ManyModels _models = new("one", "two");

    public void Dispose() => _models.Dispose();

    [Theory]
    [InlineData("/api/generate", "0")]
    [InlineData("/api/generate", "\"0s\"")]
    [InlineData("/api/embed", "0")]
    public async Task AModelThatIsKeptForNothingGoesBehindItsAnswer(string path, string keep)
    {
        await using var server = await _models.StartAsync(configure: static options => options.Embeddings = true);
        var question = path == "/api/embed" ? "\"input\":\"Once\"" : Question;
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync(path, $"{{\"model\":\"one\",\"keep_alive\":{keep},{question}}}"));
        Assert.True(answer.RootElement.TryGetProperty(path == "/api/embed" ? "embeddings" : "response", out _), answer.RootElement.GetRawText());
        Assert.True(answer.RootElement.GetProperty("load_duration").GetInt64() > 0);
        await ManyModels.UntilStatusAsync(server, "one unloaded, two unloaded");
    }

    [Theory]
    [InlineData("/api/generate", "{\"model\":\"one\",\"keep_alive\":0}")]
    [InlineData("/api/chat", "{\"model\":\"one\",\"messages\":[],\"keep_alive\":\"0\"}")]
    public async Task WhoAsksNothingAndKeepsNothingUnloadsAndLoadsNothing(string path, string body)
    {
        await using var server = await _models.StartAsync();
        Assert.Equal("unload", await ReasonAsync(server, path, body));
        Assert.Equal(0, (await PrometheusSamples.ScrapeAsync(server)).Sum("kvasir_model_loads_total"));
        await ManyModels.AskAsync(server, "one");
        Assert.Equal("unload", await ReasonAsync(server, path, body));
        await ManyModels.UntilStatusAsync(server, "one unloaded, two unloaded");
        // What it said was of that stay: who loads it now finds the server's own time.
        await ManyModels.AskAsync(server, "one");
        await ManyModels.UntilLeftAsync(server, "one");
        Assert.Contains("one loaded", await ManyModels.StatusAsync(server), StringComparison.Ordinal);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("\"1h30m\"", 5399)]
    [InlineData("90.5", 90)]
    [InlineData("\"1500ms\"", 1)]
    [InlineData("-1", null)]
    [InlineData("\"-1m\"", null)]
    public async Task AModelStaysAsLongAsTheLastRequestSays(string keep, int? seconds)
    {
        var clock = new FakeTimeProvider();
        await using var server = await _models.StartAsync(clock);
        Assert.Equal("load", await ReasonAsync(server, "/api/generate", $"{{\"model\":\"one\",\"keep_alive\":{keep}}}"));
        await ManyModels.AskAsync(server, "one");
        await ManyModels.UntilLeftAsync(server, "one");
        clock.Advance(TimeSpan.FromSeconds(seconds ?? 1_000_000));
        Assert.Contains("one loaded", await ManyModels.StatusAsync(server), StringComparison.Ordinal);
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Contains(seconds is null ? "one loaded" : "one unloaded", await ManyModels.StatusAsync(server), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"soon\"", "keep_alive is 'soon'")]
    [InlineData("\"5x\"", "keep_alive is '5x'")]
    [InlineData("\"\"", "keep_alive is ''")]
    [InlineData("true", "keep_alive is true or false")]
    public async Task WhatIsNoTimeIsRefused(string keep, string words)
    {
        await using var server = await _models.StartAsync();
        Assert.Contains(words, await server.BodyJsonAsync("/api/generate", $"{{\"model\":\"one\",\"keep_alive\":{keep},{Question}}}"));
    }

    [Fact]
    public async Task AModelThatWasNamedAtTheStartStaysAndTheHeaderSaysSo()
    {
        await using var server = await RunningServer.StartAsync();
        using var answer = await server.PostAsync("/api/generate", $"{{\"keep_alive\":0,{Question}}}");
        Assert.Equal("keep_alive", answer.Headers.GetValues("x-kvasir-ignored").Single());
        Assert.Equal("load", await ReasonAsync(server, "/api/generate", "{\"keep_alive\":0}"));
        Assert.Equal("stories260K loaded", await ManyModels.StatusAsync(server));
    }

    private static async Task<string?> ReasonAsync(RunningServer server, string path, string body)
    {
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync(path, body));
        return answer.RootElement.GetProperty("done_reason").GetString();
    }
}
