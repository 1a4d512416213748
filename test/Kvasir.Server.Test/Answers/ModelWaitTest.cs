using Kvasir.Server.Hosting;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Answers;

/// <summary>Requests whose model takes its time to load.</summary>
public sealed class ModelWaitTest : IDisposable
{
    private const string Chat = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"max_tokens\":2,\"stream\":true";
    private const string Text = "\"prompt\":\"Once upon a time\",\"max_tokens\":2,\"stream\":true";
    private readonly ManyModels _models = new("one");

    public void Dispose() => _models.Dispose();

    [Fact]
    public async Task AStreamSaysThatItsModelLoadsAndIsAnsweredInTheEnd()
    {
        var clock = new FakeTimeProvider();
        await using var server = await _models.StartAsync(clock);
        var turn = await HoldAsync(server);
        using var asked = await PostAsync(server, "/v1/completions", $"{{\"model\":\"one\",{Text}}}");
        await asked.AdvanceUntilAsync(clock, TimeSpan.FromSeconds(10), ": kvasir\n\n\r\nb\r\n: loading\n\n\r\nb\r\n: loading\n\n");
        turn.Release();
        Assert.True(await asked.ReadUntilAsync("[DONE]"));
        Assert.Matches("\"load_ms\":[1-9][0-9]{4,5}[,.]", asked.Received);
        Assert.DoesNotContain("error", asked.Received);
    }

    [Theory]
    [InlineData("/v1/chat/completions", Chat, "{\"error\":{\"message\":\"the model bad could not be loaded", "data: [DONE]")]
    [InlineData("/v1/completions", Text, "{\"error\":{\"message\":\"the model bad could not be loaded", "data: [DONE]")]
    [InlineData("/v1/messages", Chat, "event: error\ndata: {\"type\":\"error\"", "\"request_id\"")]
    [InlineData("/v1/responses", "\"input\":\"Once\",\"stream\":true", "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":0", "model_unavailable")]
    [InlineData("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}]", " \r\n", "{\"error\":\"the model bad could not be loaded")]
    [InlineData("/api/generate", "\"prompt\":\"Once\",\"stream\":false", " \r\n", "{\"error\":\"the model bad could not be loaded")]
    public async Task ALoadThatFailsBehindAKeepAliveIsTheStreamsEnd(string path, string body, string first, string last)
    {
        await File.WriteAllTextAsync(Path.Combine(_models.Folder, "bad.gguf"), "no model");
        var clock = new FakeTimeProvider();
        await using var server = await _models.StartAsync(clock, configure: static options => options.JsonKeepAliveSeconds = 10);
        var turn = await HoldAsync(server);
        using var asked = await PostAsync(server, path, $"{{\"model\":\"bad\",{body}}}");
        await asked.AdvanceUntilAsync(clock, TimeSpan.FromSeconds(10), "200 OK");
        turn.Release();
        Assert.True(await asked.ReadUntilAsync("\r\n0\r\n\r\n"));
        Assert.Contains(first, asked.Received);
        Assert.Contains(last, asked.Received);
    }

    [Fact]
    public async Task ALoadThatFailsAtOnceHasItsStatus()
    {
        await File.WriteAllTextAsync(Path.Combine(_models.Folder, "bad.gguf"), "no model");
        await using var server = await _models.StartAsync();
        using var refused = await server.PostAsync("/v1/chat/completions", $"{{\"model\":\"bad\",{Chat}}}");
        Assert.Equal((503, "application/json"), ((int)refused.StatusCode, refused.Content.Headers.ContentType!.MediaType));
    }

    private static async Task<SemaphoreSlim> HoldAsync(RunningServer server)
    {
        var turn = server.Services.GetRequiredService<ServedModels>().LoadTurn;
        await turn.WaitAsync();
        return turn;
    }

    private static async Task<RawConnection> PostAsync(RunningServer server, string path, string body)
    {
        var asked = new RawConnection(server.Address);
        await asked.PostAsync(path, body);
        return asked;
    }
}
