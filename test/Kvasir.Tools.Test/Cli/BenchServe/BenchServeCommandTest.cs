using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Tools.Test.Cli.BenchServe;

public sealed class BenchServeCommandTest
{
    [Fact]
    public async Task EveryRequestIsAnsweredToItsLengthAndCounted()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        var json = Measure(server, "--num-prompts", "6", "--input-len", "40", "--output-len", "9", "--max-concurrency", "2", "--seed", "5", "--percentiles", "25,99");
        Assert.Equal((6, 0, 54), ((int)json["completed"]!, (int)json["failed"]!, (int)json["total_output_tokens"]!));
        Assert.Equal("stories260K", (string)json["model_id"]!);
        Assert.InRange((int)json["max_concurrent_requests"]!, 1, 2);
        // Words are whole, so that a prompt has a few tokens more or less.
        Assert.InRange((int)json["total_input_tokens"]!, 6 * 30, 6 * 50);
        string[] times = ["ttft", "tpot", "itl", "e2el", "queue", "prefill", "ttft_with_wait"];
        Assert.All(times, name => Assert.All(new[] { "mean", "median", "std", "p25", "p99" }, figure => Assert.True((double)json[$"{figure}_{name}_ms"]! >= 0, name)));
        Assert.True((double)json["p99_e2el_ms"]! > (double)json["p99_ttft_ms"]!);
        Assert.True((double)json["output_throughput"]! > 0);
        Assert.Null(json["request_goodput"]);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task TheSameSeedSendsTheSamePromptsAndAnotherOneOthers()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        string[] flags = ["--num-prompts", "3", "--input-len", "100", "--output-len", "1"];
        var (first, again, other) = (Measure(server, [.. flags, "--seed", "7"]), Measure(server, [.. flags, "--seed", "7"]), Measure(server, [.. flags, "--seed", "8"]));
        Assert.Equal((int)first["total_input_tokens"]!, (int)again["total_input_tokens"]!);
        Assert.Equal(0, (int)first["cached_tokens"]!);
        Assert.InRange((int)again["cached_tokens"]!, 3 * 64, 3 * 100);
        Assert.Equal(0, (int)other["cached_tokens"]!);
    }

    [Theory]
    [InlineData]
    [InlineData("--chat")]
    public async Task LaterTurnsFindWhatWasSaidBefore(params string[] flags)
    {
        await using var server = await LocalServer.OfStoriesAsync();
        var json = Measure(server, ["--num-prompts", "2", "--turns", "3", "--prefix-len", "70", "--input-len", "40", "--output-len", "6", .. flags]);
        Assert.Equal((6, 0), ((int)json["completed"]!, (int)json["failed"]!));
        Assert.InRange((int)json["cached_tokens"]!, 4 * 64, int.MaxValue);
        Assert.NotNull(json["mean_cold_ttft_ms"]);
        Assert.NotNull(json["mean_warm_ttft_ms"]);
    }

    [Fact]
    public async Task WhatFailsIsCountedAndToldOnceForEachReason()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        var run = CliRun.Of("bench", "serve", server.Address, "--num-prompts", "3", "--input-len", "600", "--output-len", "2");
        Assert.Equal((1, ""), (run.ExitCode, run.Error));
        Assert.Contains("0 of 3", run.Output, StringComparison.Ordinal);
        Assert.Contains("3 failed: ", Assert.Single(run.Output.Split('\n'), static line => line.Contains("failed", StringComparison.Ordinal)), StringComparison.Ordinal);
        var json = JsonNode.Parse(CliRun.Of("bench", "serve", server.Address, "--num-prompts", "3", "--input-len", "600", "--output-len", "2", "--json", "--goodput", "ttft:1000").Output)!;
        Assert.Equal((0, 3, 0.0), ((int)json["completed"]!, (int)json["failed"]!, (double)json["request_goodput"]!));
        Assert.Equal(3, (int)Assert.Single(json["errors"]!.AsObject()).Value!);
    }

    [Fact]
    public async Task CommentsAndChunksWithoutAChoiceAreNoPieces()
    {
        await using var server = await LocalServer.OfStreamAsync(
            ": hello\n\ndata: {\"choices\":[],\"prompt_progress\":{}}\n\ndata: {\"choices\":[{\"text\":\"a\"}]}\n\n: ping\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n");
        var json = Measure(server, "--num-prompts", "1", "--percentiles", "50");
        Assert.Equal((1, 4, 2, 2), ((int)json["completed"]!, (int)json["total_input_tokens"]!, (int)json["total_output_tokens"]!, (int)json["max_output_tokens_per_s"]!));
        Assert.Null(json["mean_queue_ms"]);
        Assert.Null(json["keys_read_share"]);
    }

    [Theory]
    [InlineData("data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"error\":{\"message\":\"the roof is on fire\"}}\n\ndata: [DONE]\n\n", "ended the answer: the roof is on fire")]
    [InlineData("data: [DONE]\n\n", "the answer has no pieces")]
    [InlineData("data: {\"choices\":[{\"text\n\n", "cannot be read")]
    public async Task AnAnswerThatBreaksOffHasFailed(string stream, string words)
    {
        await using var server = await LocalServer.OfStreamAsync(stream);
        var run = CliRun.Of("bench", "serve", server.Address, "--num-prompts", "1");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(words, run.Output, StringComparison.Ordinal);
    }

    // llama.cpp's server closes a connection behind a stream and does not say so: on the same one the next turn would be lost.
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task EachRequestHasAConnectionOfItsOwn()
    {
        var connections = new ConcurrentBag<string>();
        await using var server = await LocalServer.OfAsync(context =>
        {
            connections.Add(context.Connection.Id);
            return context.Response.WriteAsync(
                context.Request.Path == "/v1/completions" ? "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n" : """{"data":[{"id":"m"}],"tokens":[1]}""");
        });
        var json = Measure(server, "--num-prompts", "1", "--turns", "4");
        Assert.Equal((4, 0), ((int)json["completed"]!, (int)json["failed"]!));
        Assert.Equal(connections.Count, connections.Distinct().Count());
    }

    [Theory]
    [InlineData("ftp://localhost", "'ftp://localhost' is not the address of a server, as http://localhost:8080")]
    [InlineData("http://", "'http://' is not the address of a server, as http://localhost:8080")]
    public void WhatIsNoAddressIsRefused(string address, string words) => CliRun.Of("bench", "serve", address).AssertFails(2, $"kvasir: {words}; see kvasir bench serve --help");

    [Theory]
    [InlineData("--goodput: 'ttft' is not of the form ttft:MS, tpot:MS or e2el:MS", "--goodput", "ttft")]
    [InlineData("--goodput: 'itl:5' is not of the form ttft:MS, tpot:MS or e2el:MS", "--goodput", "itl:5")]
    [InlineData("--goodput: 'ttft:-1' is out of range: above 0 ms", "--goodput", "ttft:-1")]
    [InlineData("--goodput: ttft was given twice", "--goodput", "ttft:1", "--goodput", "ttft:2")]
    [InlineData("--request-rate: '0' is out of range: above 0", "--request-rate", "0")]
    [InlineData("--request-rate: 'fast' is not a number above 0, or inf", "--request-rate", "fast")]
    public void WhatCannotBeMeasuredIsRefused(string line, params string[] flags) => CliRun.Of(["bench", "serve", "localhost", .. flags]).AssertFails(2, $"kvasir: {line}; see kvasir bench serve --help");

    [Fact]
    public void AServerThatIsNotThereIsNamed() => CliRun.Of("bench", "serve", "http://localhost:1").AssertOneLine("http://localhost:1 cannot be reached");

    private static JsonNode Measure(LocalServer server, params string[] flags)
    {
        var run = CliRun.Of(["bench", "serve", server.Address, "--json", .. flags]);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        return Assert.Single(run.Json);
    }
}
