using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Telemetry;

/// <summary>The request log: what a line has, and what it never has.</summary>
public sealed class RequestLogTest : IDisposable
{
    private const string Secret = "Lily had a secret garden";
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kvasir-log-{Guid.NewGuid():N}");

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task ALineSaysWhatBecameOfARequestAndNotWhatItSaid()
    {
        await using var server = await RunningServer.StartAsync(options => options.RequestLog = _path);
        using var request = new HttpRequestMessage(HttpMethod.Post,
            "/v1/completions")
        { Content = new StringContent($"{{\"prompt\":\"{Secret}\",\"max_tokens\":4,\"ignore_eos\":true,\"priority\":3}}") };
        request.Headers.Add("x-request-id", "mine-1");
        (await server.Client.SendAsync(request)).Dispose();
        var line = (await LinesAsync(1))[0];
        Assert.Equal(("mine-1", "POST", "/v1/completions", 200),
            (Text(line, "id"), Text(line, "method"), Text(line, "route"), line.GetProperty("status").GetInt32()));
        Assert.Equal(("stories260K", "dense", false, 3),
            (Text(line, "model"), Text(line, "attention"), line.GetProperty("stream").GetBoolean(), line.GetProperty("priority").GetInt32()));
        Assert.Equal((4, "length"), (line.GetProperty("completion_tokens").GetInt32(), line.GetProperty("finish")[0].GetString()));
        Assert.True(line.GetProperty("first_token_ms").GetDouble() <= line.GetProperty("ms").GetDouble());
        Assert.Equal((0, false), (line.GetProperty("preempted").GetInt32(), line.TryGetProperty("index_ms", out _)));
        Assert.DoesNotContain("garden", await File.ReadAllTextAsync(_path), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TextIsThereWhereTheServerIsToldSo()
    {
        await using var server = await RunningServer.StartAsync(options => (options.RequestLog, options.LogText) = (_path, true));
        using var answer = await server.PostAsync("/v1/completions", $"{{\"prompt\":\"{Secret}\",\"max_tokens\":4,\"temperature\":0}}");
        var said = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("choices")[0].GetProperty("text").GetString();
        var line = (await LinesAsync(1))[0];
        Assert.Contains(Secret, Text(line, "prompt"), StringComparison.Ordinal);
        Assert.Equal(said, line.GetProperty("answers")[0].GetString());
    }

    [Fact]
    public async Task WhatAClientWritesIsCutAndItsControlCharactersAreEscaped()
    {
        await using var server = await RunningServer.StartAsync(options => options.RequestLog = _path);
        (await server.Client.GetAsync(new Uri($"/%1b[31mred%0aline%7f%c2%9b{new string('x', 1000)}", UriKind.Relative))).Dispose();
        var line = (await LinesAsync(1))[0];
        Assert.Equal((404, "other", "route_not_found"), (line.GetProperty("status").GetInt32(), Text(line, "route"), Text(line, "error")));
        Assert.Equal((256, "/\u001b[31mred\nline\u007f\u009bxx"), (Text(line, "path").Length, Text(line, "path")[..18]));
        Assert.InRange(Text(line, "message").Length, 1, 256);
        Assert.DoesNotContain((await File.ReadAllTextAsync(_path)).TrimEnd('\n'), static c => char.IsControl(c));
    }

    [Fact]
    public async Task AClientThatWentAwayIs499()
    {
        await using var server = await RunningServer.StartAsync(options =>
            (options.RequestLog, options.ContextTokens, options.KvMemoryBytes) = (_path, 200_000, 1L << 30));
        using (var stream = new RawConnection(server.Address))
        {
            await stream.PostAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}],\"ignore_eos\":true,\"stream\":true}");
            Assert.True(await stream.ReadUntilAsync("delta"));
        }

        var line = (await LinesAsync(1))[0];
        Assert.Equal((499, "decode", true), (line.GetProperty("status").GetInt32(), Text(line, "phase"), line.GetProperty("stream").GetBoolean()));
    }

    [Fact]
    public async Task AFileThatIsMovedAwayIsBegunAnewAndOneThatCannotBeWrittenEndsNoRequest()
    {
        await using var server = await RunningServer.StartAsync(options => options.RequestLog = _path);
        (await server.PostAsync("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":1}")).Dispose();
        await LinesAsync(1);
        File.Delete(_path);
        Directory.CreateDirectory(_path);
        using (var answer = await server.PostAsync("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":1}"))
            Assert.True(answer.IsSuccessStatusCode);
        await PrometheusSamples.UntilAsync(server, static all => all.Sum("kvasir_http_requests_total", ("route", "/v1/completions")) == 2);
        Directory.Delete(_path);
        (await server.PostAsync("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":1}")).Dispose();
        await LinesAsync(1);
    }

    // Written behind the answer.
    private async Task<JsonElement[]> LinesAsync(int count)
    {
        var lines = await Soon.SeenAsync(
            async () => File.Exists(_path) ? (await File.ReadAllTextAsync(_path)).Split('\n')[..^1] : [], lines => lines.Length >= count, static lines => $"{lines.Length} lines");
        return [.. lines.Select(static line => JsonDocument.Parse(line).RootElement)];
    }

    private static string Text(JsonElement line, string name) => line.GetProperty(name).GetString()!;
}
