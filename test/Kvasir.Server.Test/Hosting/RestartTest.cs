using System.Globalization;
using System.Text.Json;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Server.Test.Support;
using Kvasir.Text;
using Kvasir.Tiers;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Hosting;

/// <summary>What a server has kept of prompts is there when it starts again: after it was stopped, and after it was killed.</summary>
public sealed class RestartTest : IDisposable
{
    private static readonly string Document = string.Concat(Enumerable.Range(0, 60).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. "));
    private readonly string _folder = Path.Combine(Directory.CreateTempSubdirectory("kvasir-test-").FullName, "store");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_folder)!, recursive: true);

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task TheSecondTurnOfAnAgentAfterARestartFindsTheFirst()
    {
        string answer;
        int firstTokens;
        await using (var server = await StartAsync())
        {
            using var first = JsonDocument.Parse(await server.BodyJsonAsync("/v1/chat/completions", Chat([Document])));
            answer = first.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
            firstTokens = Usage(first).Prompt;
            Assert.InRange(firstTokens, 600, 1800);
            Assert.Equal(0, Usage(first).Cached);
        }

        await using var next = await StartAsync();
        using var second = JsonDocument.Parse(await next.BodyJsonAsync("/v1/chat/completions", Chat([Document, answer, "And then?"])));
        var (_, cached) = Usage(second);
        Assert.InRange(cached, firstTokens / 32 * 32, firstTokens + 20);
        var cache = second.RootElement.GetProperty("kvasir").GetProperty("cache");
        Assert.Equal((0, cached), (cache.GetProperty("tier_ram").GetInt32(), cache.GetProperty("tier_disk").GetInt32()));
        // The clock stands.
        Assert.Equal(0, second.RootElement.GetProperty("timings").GetProperty("cache_load_ms").GetDouble());
        var samples = await PrometheusSamples.ScrapeAsync(next);
        Assert.Equal(cached, samples.Sum("kvasir_prefix_tokens_total", ("tier", "disk"), ("outcome", "hit")));
        Assert.Equal(1, samples.Sum("kvasir_kv_tier_up", ("tier", "disk")));
        Assert.True(samples.Sum("kvasir_kv_tier_chunks", ("tier", "disk")) >= 3);
        Assert.True(samples.Sum("kvasir_kv_tier_transfer_bytes_total", ("tier", "disk"), ("direction", "read")) > 0);
        Assert.Equal(0, samples.Sum("kvasir_kv_tier_errors_total", ("tier", "disk")));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task TwoServersHaveOneFolderAndOneOfThemWrites()
    {
        await using var owner = await StartAsync();
        await owner.BodyJsonAsync("/v1/completions", Text(0));
        await AwaitChunksAsync(owner, 3);
        await using var reader = await StartAsync();
        Assert.Contains("belongs to process", Assert.Single(((KvasirStart)reader.Services.GetService(typeof(KvasirStart))!).Stores).Figures.Problem);
        Assert.Equal(0, (await PrometheusSamples.ScrapeAsync(reader)).Sum("kvasir_kv_tier_up", ("tier", "disk")));
        using var answer = JsonDocument.Parse(await reader.BodyJsonAsync("/v1/completions", Text(0)));
        Assert.InRange(Usage(answer).Cached, 512, 2000);
        using var other = JsonDocument.Parse(await reader.BodyJsonAsync("/v1/completions", Text(1)));
        Assert.Equal(0, Usage(other).Cached);
    }

    // KVASIR_KILLS says how often; the whole count is 200.
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task KilledAtAnyMomentItLeavesWhatWasAcknowledgedAndNothingTorn()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("KVASIR_KILLS") ?? "3", CultureInfo.InvariantCulture);
        var seed = Environment.TickCount;
        var random = new Random(seed);
        using var model = Model.Load("stories260K");
        for (var kill = 0; kill < kills; kill++)
        {
            // A folder outlives some processes, and is left before it is full: what is given up then was acknowledged too.
            var folder = Path.Combine(_folder, $"{kill / 4}");
            var acknowledged = await KillAsync(random, folder, kill * 1000);
            using var store = DiskPrefixStore.Open(folder, new PrefixStoreOptions { LimitBytes = 1 << 30 });
            Assert.True(store.Figures.IsUp, store.Figures.Problem);
            Assert.True(store.Figures.Chunks >= acknowledged, $"seed {seed}, kill {kill}: {store.Figures.Chunks} of {acknowledged} chunks");
            Assert.Equal((store.Figures.Chunks, 0), store.Verify());
            var options = new EngineOptions { Threads = 1, Kv = KvFormat.F32, ContextTokens = 2048, KvMemoryBytes = 32 << 20, PrefixCache = true, BatchTokens = 32 };
            using var warm = new Engine(model, options with { PrefixStores = [store] });
            using var cold = new Engine(model, options);
            var prompt = model.Tokenizer.Encode(Words(kill * 1000));
            Assert.Equal(Answer(cold, prompt).Tokens.ToArray(), Answer(warm, prompt).Tokens.ToArray());
        }
    }

    // How many chunks the server said that it has, before it was killed.
    private static async Task<int> KillAsync(Random random, string folder, int text)
    {
        using var process = new ServerProcess(
            "Kvasir.Cli.dll", "serve", "--port", "0", "--attention", "dense", "--context", "2048", "--kv-memory", "32M", "--kv", "f32", "--batch-tokens", "32", "--threads", "1", "--no-warmup", "--kv-dir", folder,
            "--kv-disk", "0", "--kv-prefixes", "1G");
        using var client = new HttpClient { BaseAddress = new Uri(await process.LineAsync("^serving stories260K at (.+)$")) };
        using var stop = new CancellationTokenSource();
        var asking = Task.Run(async () =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
                (await client.PostAsync(new Uri("/v1/completions", UriKind.Relative), new StringContent(Text(text + i)), stop.Token)).Dispose();
        }, CancellationToken.None);
        var chunks = 0;
        var end = Environment.TickCount64 + random.Next(200, 3000);
        while (Environment.TickCount64 < end)
        {
            var metrics = await client.GetStringAsync(new Uri("/metrics", UriKind.Relative));
            var line = metrics.Split('\n').FirstOrDefault(static line => line.StartsWith("kvasir_kv_tier_chunks{", StringComparison.Ordinal));
            chunks = line is null ? chunks : (int)double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture);
        }

        process.Signal("KILL");
        await process.ExitCodeAsync();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => asking);
        return chunks;
    }

    private static Sequence Answer(Engine engine, int[] prompt)
    {
        var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = 5, Sampling = SamplingOptions.Greedy, IgnoreEnd = true });
        engine.Submit(sequence);
        while (engine.Step())
        {
        }

        return sequence;
    }

    private static async Task AwaitChunksAsync(RunningServer server, int chunks) =>
        await PrometheusSamples.UntilAsync(server, samples => samples.Sum("kvasir_kv_tier_chunks", ("tier", "disk")) >= chunks);

    // By a clock that stands: on a busy machine a read may take longer than a prompt waits for it.
    private Task<RunningServer> StartAsync() => RunningServer.StartAsync(options =>
    {
        options.PrefixDirectory = _folder;
        options.UseEngine(new EngineOptions { Threads = 1, ContextTokens = 2048, BatchTokens = 64, KvMemoryBytes = 16 << 20, Time = new FakeTimeProvider() });
        options.UseTemplate(ChatTemplate.Parse("{% for message in messages %}{{ message.content }}{% endfor %}", "all"));
    });

    private static string Chat(string[] messages) => JsonSerializer.Serialize(new
    {
        messages = messages.Select(static (text, i) => new { role = i % 2 == 0 ? "user" : "assistant", content = text }),
        max_tokens = 12,
        temperature = 0,
        ignore_eos = true,
    });

    private static string Words(int number) => $"{number} " + Document;

    private static string Text(int number) => JsonSerializer.Serialize(new { prompt = Words(number), max_tokens = 2, temperature = 0, ignore_eos = true });

    private static (int Prompt, int Cached) Usage(JsonDocument answer)
    {
        var usage = answer.RootElement.GetProperty("usage");
        return (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32());
    }
}
