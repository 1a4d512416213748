using System.Net;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Telemetry;

/// <summary><c>/metrics</c>: text that can be read, counts that are true, labels that no request adds to.</summary>
public sealed class MetricsTest
{
    private const string Endless = "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"ignore_eos\":true,\"stream\":true}";
    private const string Short = "{\"prompt\":\"Once upon a time\",\"max_tokens\":5,\"ignore_eos\":true,\"temperature\":0}";
    private const string Model = "stories260K";

    [Fact]
    public async Task WhatRequestsCameToIsCounted()
    {
        await using var server = await RunningServer.StartAsync();
        for (var i = 0; i < 2; i++)
            (await server.PostAsync("/v1/completions", Short)).Dispose();
        (await server.PostAsync("/v1/completions", "{\"prompt\":7}")).Dispose();
        (await server.Client.GetAsync(new Uri("/nowhere/at/all", UriKind.Relative))).Dispose();
        var samples = await PrometheusSamples.UntilAsync(server, static all => all.Sum("kvasir_http_requests_total", ("route", "other"), ("code", "404")) == 1);
        Assert.Equal(2, samples.Sum("kvasir_http_requests_total", ("route", "/v1/completions"), ("code", "200")));
        Assert.Equal(1, samples.Sum("kvasir_http_requests_total", ("route", "/v1/completions"), ("code", "400")));
        Assert.Equal((1, 1), (samples.Sum("kvasir_rejected_total", ("reason", "invalid_value")),
            samples.Sum("kvasir_rejected_total", ("reason", "route_not_found"))));
        Assert.Equal(10, samples.Sum("kvasir_generation_tokens_total", ("model", Model)));
        Assert.Equal(10, samples.Sum("vllm:generation_tokens_total", ("model_name", Model)));
        Assert.Equal(2, samples.Sum("kvasir_requests_finished_total", ("model", Model), ("reason", "length")));
        Assert.Equal(2, samples.Sum("vllm:request_success_total", ("model_name", Model), ("finished_reason", "length")));
        var prompt = samples.Sum("kvasir_prompt_tokens_total");
        Assert.InRange(prompt, 6, 20);
        Assert.Equal(prompt, samples.Sum("kvasir_step_rows_total", ("kind", "prompt"))
            + samples.Sum("kvasir_prefix_tokens_total", ("tier", "ram"), ("outcome", "hit")));
        Assert.Equal(8, samples.Sum("kvasir_step_rows_total", ("kind", "decode")));
        Assert.Equal(samples.Sum("kvasir_steps_total"), samples.Sum("kvasir_step_seconds_count"));
        Assert.Equal(2, samples.Sum("gen_ai_server_time_to_first_token_seconds_count"));
        Assert.Equal(2, samples.Sum("vllm:e2e_request_latency_seconds_count", ("model_name", Model)));
        Assert.True(samples.Sum("kvasir_attention_candidates_total", ("policy", "dense")) > 0);
        Assert.Equal(samples.Sum("kvasir_attention_candidates_total"), samples.Sum("kvasir_attention_rows_read_total"));
        Assert.Equal(server.Engine.Plan.KvMemoryBytes, samples.Sum("kvasir_kv_limit_bytes"));
        Assert.Equal(1, samples.Sum("vllm:cache_config_info", ("block_size", "32")));
    }

    [Fact]
    public async Task EveryNameThatBoardsAndGatewaysAskForIsThere()
    {
        await using var server = await RunningServer.StartAsync(static options => (options.ContextTokens, options.KvMemoryBytes) = (200_000, 1L << 30));
        (await server.PostAsync("/v1/completions", Short)).Dispose();
        // Tokens that come faster than they are written are one piece: of many there are two.
        using var stream = new RawConnection(server.Address);
        await stream.PostAsync("/v1/chat/completions", Endless);
        var samples = await PrometheusSamples.UntilAsync(server, static all => all.Sum("vllm:request_success_total") == 1
            && all.Sum("vllm:inter_token_latency_seconds_count") > 0);
        string[] wanted =
        [
            "vllm:e2e_request_latency_seconds", "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds", "vllm:prompt_tokens_total",
                "vllm:generation_tokens_total",
            "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:request_queue_time_seconds", "vllm:request_prefill_time_seconds",
                "vllm:request_decode_time_seconds",
            "vllm:kv_cache_usage_perc", "vllm:cache_config_info", "vllm:num_preemptions_total", "vllm:prefix_cache_queries_total",
                "vllm:prefix_cache_hits_total", "vllm:request_success_total",
            "gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds", "gen_ai_server_time_per_output_token_seconds",
                "gen_ai_client_token_usage",
            "kvasir_kv_bytes", "kvasir_process_rss_bytes", "kvasir_prefill_rows_budget", "kvasir_deadline_exceeded_total",
                "kvasir_prefix_evicted_columns_total", "kvasir_step_seconds",
            "kvasir_step_tokens", "vllm:iteration_tokens_total",
        ];
        Assert.Empty(wanted.Except(samples.Families));
    }

    [Fact]
    public async Task ANameWithQuotesAndLineFeedsIsEscapedAndNoStreamEndsForAScrape()
    {
        const string Name = "a \"quoted\"\nname\\";
        await using var server = await RunningServer.StartAsync(static options =>
            (options.ModelId, options.ContextTokens, options.KvMemoryBytes) = (Name, 200_000, 1L << 30));
        using var stream = new RawConnection(server.Address);
        await stream.PostAsync("/v1/chat/completions", Endless);
        Assert.True(await stream.ReadUntilAsync("delta"));
        var before = await PrometheusSamples.ScrapeAsync(server);
        for (var i = 0; i < 20; i++)
        {
            var after = await PrometheusSamples.ScrapeAsync(server);
            Assert.Equal([Name], after.Values("model"));
            var counts = after.Growing.ToDictionary();
            Assert.All(before.Growing, sample => Assert.True(counts.GetValueOrDefault(sample.Key) >= sample.Value, sample.Key));
            before = after;
        }

        var rows = server.Engine.Figures.DecodeRows;
        await server.UntilAsync(engine => engine.Figures.DecodeRows > rows + 20);
        Assert.Equal(1, server.Engine.RunningCount);
    }

    [Fact]
    public async Task AClientThatGoesAwayIsCountedByHowFarItsAnswerWas()
    {
        await using var server = await RunningServer.StartAsync(static options =>
            (options.ContextTokens, options.KvMemoryBytes, options.MaxSequences) = (200_000, 1L << 30, 1));
        using (var first = new RawConnection(server.Address))
        {
            await first.PostAsync("/v1/chat/completions", Endless);
            Assert.True(await first.ReadUntilAsync("delta"));
            using (var second = new RawConnection(server.Address))
            {
                await second.PostAsync("/v1/chat/completions", Endless);
                Assert.True(await second.ReadUntilAsync(": kvasir"));
            }

            var queued = await PrometheusSamples.UntilAsync(server, static all => all.Sum("kvasir_requests_cancelled_total") == 1);
            Assert.Equal(1, queued.Sum("kvasir_requests_cancelled_total", ("phase", "queued")));
        }

        var both = await PrometheusSamples.UntilAsync(server, static all => all.Sum("kvasir_requests_cancelled_total", ("phase", "decode")) == 1);
        Assert.Equal(2, both.Sum("kvasir_http_requests_total", ("route", "/v1/chat/completions"), ("code", "499")));
    }

    [Fact]
    public async Task NoTextOfARequestBecomesALabel()
    {
        await using var server = await RunningServer.StartAsync();
        for (var i = 0; i < 5; i++)
        {
            (await server.PostAsync("/v1/completions",
                Short.Replace("\"max_tokens\"", $"\"kvasir\":{{\"attention\":\"streaming:recent={100 + i},min-context=0\",\"audit\":1}},\"max_tokens\"",
                StringComparison.Ordinal))).Dispose();
            (await server.PostAsync($"/v1/none-{i}", Short)).Dispose();
            (await server.PostAsync("/v1/completions", Short.Replace("\"prompt\"", $"\"model\":\"m{i}\",\"prompt\"", StringComparison.Ordinal))).Dispose();
        }

        var samples = await PrometheusSamples.UntilAsync(server, static all => all.Sum("kvasir_rejected_total", ("reason", "model_not_found")) == 5);
        Assert.Equal([Model], samples.Values("model"));
        Assert.Contains("streaming", samples.Values("policy"));
        Assert.All(samples.Values("policy"), static name => Assert.Matches("^[a-z0-9-]+$", name));
        Assert.Empty(samples.Values("route").Except(["/v1/completions", "/metrics", "other"]));
    }

    [Theory]
    [InlineData(false, HttpStatusCode.Unauthorized)]
    [InlineData(true, HttpStatusCode.OK)]
    public async Task MetricsNeedAKeyUnlessTheyAreOpen(bool isOpen, HttpStatusCode status)
    {
        var keys = Path.Combine(Path.GetTempPath(), $"kvasir-keys-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(keys, "alice alice-secret-1\n");
        try
        {
            await using var server = await RunningServer.StartAsync(options => (options.KeyFile, options.MetricsOpen) = (keys, isOpen));
            using var answer = await server.Client.GetAsync(new Uri("/metrics", UriKind.Relative));
            Assert.Equal(status, answer.StatusCode);
        }
        finally
        {
            File.Delete(keys);
        }
    }

    [Fact]
    public async Task ClientsThatComeAgainAreCounted()
    {
        await using var server = await RunningServer.StartAsync();
        foreach (var count in new[] { "0", "1", "2", "many" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent(Short) };
            request.Headers.Add("X-Stainless-Retry-Count", count);
            (await server.Client.SendAsync(request)).Dispose();
        }

        var samples = await PrometheusSamples.UntilAsync(server, static all => all.Sum("kvasir_http_requests_total", ("route", "/v1/completions")) == 4);
        Assert.Equal(2, samples.Sum("kvasir_client_retries_total"));
    }
}
