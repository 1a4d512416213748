using System.Text.Json;
using Kvasir.Models;
using Kvasir.Server.Test.Support;
using Kvasir.Text;

namespace Kvasir.Server.Test.Answers;

/// <summary>What the engine refuses or fails with, as clients are told it; and that nobody else notices.</summary>
public sealed class EngineErrorTest
{
    private const string Endless = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":true}";
    private const string Short = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"max_tokens\":3,\"temperature\":0}";

    [Fact]
    public async Task AFullQueueIs503WithATimeToComeBack()
    {
        await using var server = await RunningServer.StartAsync(static options =>
            (options.MaxSequences, options.MaxQueue, options.ContextTokens, options.KvMemoryBytes) = (1, 1, 200_000, 1L << 30));
        using var running = new RawConnection(server.Address);
        await running.PostAsync("/v1/chat/completions", Endless);
        Assert.True(await running.ReadUntilAsync("delta"));
        using var waiting = new RawConnection(server.Address);
        await waiting.PostAsync("/v1/chat/completions", Endless);
        Assert.True(await waiting.ReadUntilAsync(": kvasir"));
        using var refused = await server.PostAsync("/v1/chat/completions", Endless);
        Assert.Equal((503, "overloaded", "server_error"), await ErrorAsync(refused));
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
    }

    [Fact]
    public async Task ATemplateThatRefusesIsHeardInItsOwnWords()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse("{{ raise_exception('no system here') }}", "/secret/place/template.jinja")));
        using var refused = await server.PostAsync("/v1/chat/completions", Short);
        var text = await refused.Content.ReadAsStringAsync();
        Assert.Equal((400, "template_refused", "invalid_request_error"), await ErrorAsync(refused));
        Assert.Contains("no system here", text);
        Assert.DoesNotContain("secret", text);
    }

    [Fact]
    public async Task APromptThatNeverFitsTheMemorySaysHowMuchWouldDo()
    {
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.KvMemoryBytes) = (200_000, 1 << 20));
        using var refused = await server.PostAsync("/v1/completions", $"{{\"prompt\":[{string.Join(',', Enumerable.Repeat("403", 5000))}]}}");
        Assert.Equal((400, "kv_memory_exceeded", "invalid_request_error"), await ErrorAsync(refused));
        using var json = JsonDocument.Parse(await refused.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        Assert.Equal((5000, server.Engine.Plan.TokensThatFit), (error.GetProperty("n_prompt_tokens").GetInt32(), error.GetProperty("n_ctx").GetInt64()));
        Assert.True(error.GetProperty("n_prompt_bytes").GetInt64() > error.GetProperty("n_kv_bytes").GetInt64());
    }

    [Fact]
    public async Task ABodyThatIsTooLargeIs413()
    {
        await using var server = await RunningServer.StartAsync(static options => options.MaxBodyBytes = 2048);
        using var refused = await server.PostAsync("/v1/completions", $"{{\"prompt\":\"{new string('a', 4096)}\"}}");
        Assert.Equal((413, "request_too_large", "invalid_request_error"), await ErrorAsync(refused));
        Assert.True(refused.Headers.ConnectionClose);
    }

    [Fact]
    public async Task AFaultOfTheEngineEndsOneRequestAndTellsNoSecret()
    {
        await using var server = await RunningServer.StartAsync();
        var faulty = Short.Replace("\"max_tokens\":3", $"\"max_tokens\":30,\"kvasir\":{{\"attention\":\"{ThrowingPolicy.EntryName}:min-context=0\"}}", StringComparison.Ordinal);
        var other = server.PostAsync("/v1/chat/completions", Short.Replace("\"max_tokens\":3", "\"max_tokens\":200,\"ignore_eos\":true", StringComparison.Ordinal));
        using var failed = await server.PostAsync("/v1/chat/completions", faulty);
        Assert.Equal((500, "engine_failed", "server_error"), await ErrorAsync(failed));
        Assert.DoesNotContain("secret", await failed.Content.ReadAsStringAsync());
        var stream = await server.BodyAsync("/v1/chat/completions", faulty.Replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"", StringComparison.Ordinal));
        Assert.Contains("\"code\":\"engine_failed\",\"status\":500}}\n\ndata: [DONE]\n\n", stream);
        using var whole = await other;
        Assert.Contains("\"completion_tokens\":200", await whole.Content.ReadAsStringAsync());
        await server.AssertQuietAsync();
    }

    [Fact]
    public async Task LogitsThatAreNoNumbersAre500AndNotWorthAnotherTry()
    {
        var folder = Directory.CreateTempSubdirectory("kvasir-test-");
        try
        {
            await using var server = await RunningServer.StartAsync(options => options.Model = Damaged(folder.FullName));
            using var failed = await server.PostAsync("/v1/chat/completions", Short);
            Assert.Equal((500, "numeric_fault", "server_error"), await ErrorAsync(failed));
            Assert.Equal("false", failed.Headers.GetValues("x-should-retry").Single());
            await server.AssertQuietAsync(probes: false);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task LogitsOfOneRequestThatAreNoNumbersEndThatOneAlone()
    {
        await using var server = await RunningServer.StartAsync();
        var spoiled = Short.Replace("\"max_tokens\":3", $"\"max_tokens\":30,\"kvasir\":{{\"attention\":\"{NotANumberPolicy.EntryName}:min-context=0\"}}", StringComparison.Ordinal);
        var other = Short.Replace("\"max_tokens\":3", "\"max_tokens\":200,\"ignore_eos\":true", StringComparison.Ordinal);
        using var held = await HeldEngine.HoldAsync(server);
        var (beside, failing) = (server.BodyJsonAsync("/v1/chat/completions", other), server.PostAsync("/v1/chat/completions", spoiled));
        await server.UntilAsync(static engine => engine.WaitingCount == 2);
        held.Release();
        using var failed = await failing;
        Assert.Equal((500, "numeric_fault", "server_error"), await ErrorAsync(failed));
        Assert.Contains("\"completion_tokens\":200", await beside);
        await server.AssertQuietAsync();
    }

    [Fact]
    public async Task AnAnswerThatOutgrowsTheMemoryAloneIsLongAndSound()
    {
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.KvMemoryBytes) = (200_000, 1 << 20));
        using var json = JsonDocument.Parse(await server.BodyJsonAsync("/v1/chat/completions", Short.Replace("\"max_tokens\":3", "\"ignore_eos\":true", StringComparison.Ordinal)));
        var (answer, usage) = (json.RootElement, json.RootElement.GetProperty("usage"));
        Assert.Equal(("length", "kv_full"), (answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString(), answer.GetProperty("kvasir").GetProperty("finish").GetString()));
        Assert.InRange(usage.GetProperty("total_tokens").GetInt64(), server.Engine.Plan.TokensThatFit - 31, server.Engine.Plan.TokensThatFit + 1);
    }

    // The weights are floats at the end of the file.
    private static string Damaged(string folder)
    {
        Assert.True(BundledModels.TryFind("stories260K", out var path));
        var bytes = File.ReadAllBytes(path);
        for (var i = bytes.Length - 4096; i < bytes.Length; i += sizeof(float))
            BitConverter.TryWriteBytes(bytes.AsSpan(i), float.NaN);
        var damaged = Path.Combine(folder, "damaged.gguf");
        File.WriteAllBytes(damaged, bytes);
        return damaged;
    }

    private static async Task<(int Status, string? Code, string? Type)> ErrorAsync(HttpResponseMessage response)
    {
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        var error = json.RootElement.GetProperty("error");
        return ((int)response.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("type").GetString());
    }
}
