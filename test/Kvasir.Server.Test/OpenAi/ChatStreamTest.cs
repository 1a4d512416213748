using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Bytes of streams, against what is written here by hand.</summary>
public sealed class ChatStreamTest
{
    private const string Head = "{\"id\":\"chatcmpl-I\",\"object\":\"chat.completion.chunk\",\"created\":C,\"model\":\"stories260K\",\"system_fingerprint\":\"F\",\"choices\":[";
    private const string Request = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"temperature\":0,\"max_tokens\":1,\"seed\":7";

    [Fact]
    public async Task AStreamIsACommentTextAReasonAndDone()
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal(
            ": kvasir\n\n"
            + $"data: {Head}{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\",\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
            + $"data: {Head}{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"length\"}}],\"timings\":T,"
            + "\"kvasir\":{\"attention\":\"dense\",\"keys_read_share\":1,\"kv_type\":\"bf16\",\"cache\":{\"tier_ram\":0,\"diverged_at\":null},\"seed\":7,\"finish\":\"length\"}}\n\n"
            + "data: [DONE]\n\n",
            await server.BodyAsync("/v1/chat/completions", $"{{{Request},\"stream\":true}}"));
    }

    [Fact]
    public async Task UsageIsTheLastChunkAndNullInTheOthers()
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal(
            ": kvasir\n\n"
            + $"data: {Head}{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\",\"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}\n\n"
            + $"data: {Head}{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"length\"}}],\"usage\":null}}\n\n"
            + $"data: {Head}],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6,\"prompt_tokens_details\":{{\"cached_tokens\":0,\"cache_write_tokens\":0}},\"completion_tokens_details\":{{\"reasoning_tokens\":0}}}},\"timings\":T,"
            + "\"kvasir\":{\"attention\":\"dense\",\"keys_read_share\":1,\"kv_type\":\"bf16\",\"cache\":{\"tier_ram\":0,\"diverged_at\":null},\"seed\":7,\"finish\":\"length\"}}\n\n"
            + "data: [DONE]\n\n",
            await server.BodyAsync("/v1/chat/completions", $"{{{Request},\"stream\":true,\"stream_options\":{{\"include_usage\":true}}}}"));
    }

    [Fact]
    public async Task AWholeAnswerIsOneBody()
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/chat/completions/", $"{{{Request}}}");
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.ToString());
        var body = await response.Content.ReadAsByteArrayAsync();
        Assert.Equal(body.Length, response.Content.Headers.ContentLength);
        Assert.Equal(
            "{\"id\":\"chatcmpl-I\",\"object\":\"chat.completion\",\"created\":C,\"model\":\"stories260K\",\"system_fingerprint\":\"F\",\"choices\":["
            + "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\",\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"length\"}],"
            + "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6,\"prompt_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}},\"timings\":T,"
            + "\"kvasir\":{\"attention\":\"dense\",\"keys_read_share\":1,\"kv_type\":\"bf16\",\"cache\":{\"tier_ram\":0,\"diverged_at\":null},\"seed\":7,\"finish\":\"length\"}}",
            RunningServer.Steady(System.Text.Encoding.UTF8.GetString(body)));
    }

    [Fact]
    public async Task HeadersOfAStreamKeepProxiesFromHoldingItBack()
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/v1/chat/completions", $"{{{Request},\"stream\":true,\"store\":true,\"metadata\":{{}}}}");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("no-cache, no-transform", response.Headers.NonValidated["Cache-Control"].ToString());
        Assert.Equal("no", response.Headers.GetValues("X-Accel-Buffering").Single());
        Assert.Equal("stories260K", response.Headers.GetValues("x-kvasir-model").Single());
        Assert.Equal("dense", response.Headers.GetValues("x-kvasir-attention").Single());
        Assert.Equal("store,metadata", response.Headers.GetValues("x-kvasir-ignored").Single());
    }
}
