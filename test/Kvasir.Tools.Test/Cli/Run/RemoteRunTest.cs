using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Tools.Test.Cli.Run;

public sealed class RemoteRunTest
{
    private static readonly string[] Greedy = ["--temperature", "0", "--max-tokens", "20"];

    [Fact]
    public async Task AServerGivesTheAnswerThatTheModelGivesHere()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        var here = CliRun.Of(["run", "stories260K", "Once upon a time", "--raw", "--threads", "1", "--attention", "dense", .. Greedy]);
        var raw = CliRun.Of(["run", "--server", server.Address, "Once upon a time", "--raw", .. Greedy]);
        var chat = CliRun.Of(["run", "--server", server.Address, "Once upon a time", .. Greedy]);
        Assert.Equal((0, here.Output), (raw.ExitCode, raw.Output));
        Assert.Equal(0, chat.ExitCode);
        Assert.Contains("20 tokens", chat.Error, StringComparison.Ordinal);
        Assert.Contains("seed", chat.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task JsonHasTheNamesOfALocalAnswer()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        string[] flags = ["Once upon a time", "--json", "--raw", "--seed", "18446744073709551615", "--max-tokens", "5", "--stop", "zebra", "--logit-bias", "300=-100", "--attention", "streaming:recent=32,min-context=0", "--audit", "0.5"];
        var (remote, local) = (CliRun.Of(["run", "--server", server.Address, "stories260K", .. flags]), CliRun.Of(["run", "stories260K", "--threads", "1", .. flags]));
        Assert.Equal((0, 0), (remote.ExitCode, local.ExitCode));
        var (there, here) = (Assert.Single(remote.Json), Assert.Single(local.Json));
        Assert.All(["text", "seed", "finishReason", "policy"], name => Assert.Equal($"{here[name]}", $"{there[name]}"));
        Assert.All(["promptTokens", "generatedTokens", "totalTokens"], name => Assert.Equal($"{here["usage"]![name]}", $"{there["usage"]![name]}"));
        Assert.True((double)there["timings"]!["decodeMs"]! > 0);
        Assert.Equal(server.Address, (string)there["server"]!);
    }

    [Fact]
    public async Task WhatWasTypedIsSentAndNothingElse()
    {
        JsonNode? sent = null;
        await using var server = await LocalServer.OfAsync(async context =>
        {
            sent = await JsonNode.ParseAsync(context.Request.Body);
            await context.Response.WriteAsync("data: {\"choices\":[{\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
        });
        using var folder = new TempFolder();
        var schema = folder.Write("schema.json", """{"type":"string"}""");
        var run = CliRun.Of("run", "--server", $"{server.Address}/v1/", "a", "--quiet");
        Assert.Equal((0, "yes\n", ""), (run.ExitCode, run.Output, run.Error));
        Assert.Equal(["stream", "stream_options", "return_progress", "messages"], sent!.AsObject().Select(static field => field.Key));
        CliRun.Of("run", "--server", server.Address, "m", "a", "--quiet", "--system", "b", "--temperature", "0.5", "--top-k", "3", "--top-p", "0.5", "--min-p", "0.25", "--repeat-penalty", "1.5", "--presence-penalty", "1",
            "--frequency-penalty", "-1", "--seed", "7", "--max-tokens", "9", "--ignore-end", "--stop", "x", "--logit-bias", "5=-1", "--attention", "psa:coverage=0.5", "--audit", "0.5");
        Assert.Equal(
            """{"stream":true,"stream_options":{"include_usage":true},"return_progress":true,"model":"m","stop":["x"],"ignore_eos":true,"max_tokens":9,"temperature":0.5,"top_k":3,"top_p":0.5,"min_p":0.25,"repetition_penalty":1.5,"presence_penalty":1,"frequency_penalty":-1,"seed":7,"logit_bias":{"5":-1},"kvasir":{"attention":"psa:coverage=0.5","audit":0.5},"messages":[{"role":"system","content":"b"},{"role":"user","content":"a"}]}""",
            sent!.ToJsonString());
        CliRun.Of("run", "--server", server.Address, "a", "--quiet", "--json-schema", schema);
        Assert.Equal("""{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"string"}}}""", sent!["response_format"]!.ToJsonString());
        CliRun.Of("run", "--server", server.Address, "a", "--quiet", "--json-object");
        Assert.Equal("""{"type":"json_object"}""", sent!["response_format"]!.ToJsonString());
    }

    [Fact]
    public async Task AnAnswerThatBreaksOffIsKeptAndSaidToHaveFailed()
    {
        await using var server = await LocalServer.OfStreamAsync("data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\ndata: {\"error\":{\"message\":\"out of\\nluck\"}}\n\n");
        var run = CliRun.Of("run", "--server", server.Address, "a", "--quiet");
        Assert.Equal((1, "half\n"), (run.ExitCode, run.Output));
        Assert.Contains("ended the answer: out of\\nluck", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARefusalIsOneLineInTheServersWords()
    {
        await using var server = await LocalServer.OfStoriesAsync();
        CliRun.Of("run", "--server", server.Address, "mistral", "hello").AssertOneLine("404: there is no model 'mistral' here");
        CliRun.Of("run", "--server", server.Address, string.Concat(Enumerable.Repeat("word ", 600))).AssertOneLine("maximum context length is 512 tokens");
    }

    [Theory]
    [InlineData("--context is for a model that is loaded here; the server of --server has its own", "--context", "4k")]
    [InlineData("--kv is for a model that is loaded here; the server of --server has its own", "--kv", "q8")]
    [InlineData("--speculate is for a model that is loaded here; the server of --server has its own", "--speculate", "4")]
    [InlineData("--json-schema and --json-object need the chat route of a server, which --raw leaves out", "--raw", "--json-object")]
    [InlineData("--server: 'gopher://x' is not the address of a server, as http://localhost:8080", "--server", "gopher://x")]
    public void WhatAServerCannotBeToldIsRefused(string line, params string[] flags) =>
        CliRun.Of(["run", .. flags.Contains("--server") ? Array.Empty<string>() : ["--server", "localhost"], .. flags, "hello"]).AssertFails(2, $"kvasir: {line}; see kvasir run --help");

    [Fact]
    public void WithoutAServerAModelIsNeeded() => CliRun.Of("run").AssertFails(2, "kvasir: MODEL is missing: kvasir run MODEL [PROMPT]; see kvasir run --help");
}
