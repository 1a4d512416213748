using Kvasir.Server.Test.Support;
using System.Text.RegularExpressions;

namespace Kvasir.Server.Test.Anthropic;

/// <summary>Bytes of messages, against what is written here by hand.</summary>
public sealed partial class MessageStreamTest
{
    private const string Request = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"temperature\":0,\"max_tokens\":1";

    [Fact]
    public async Task AStreamIsAStartAPingABlockAndHowItEnded()
    {
        await using var server = await RunningServer.StartAsync();
        Assert.Equal(
            ": kvasir\n\n"
            + "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_I\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"stories260K\",\"content\":[],"
            + "\"stop_reason\":null,\"stop_sequence\":null,\"stop_details\":null,\"container\":null,"
            + "\"usage\":{\"input_tokens\":5,\"output_tokens\":0,\"cache_read_input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0}}}}\n\n"
            + "event: ping\ndata: {\"type\":\"ping\"}\n\n"
            + "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\",\"citations\":null}}\n\n"
            + "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\",\"}}\n\n"
            + "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
            + "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\"stop_sequence\":null,\"stop_details\":null,\"container\":null},"
            + "\"usage\":{\"input_tokens\":5,\"output_tokens\":1,\"cache_read_input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0}}}\n\n"
            + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            Steady(await server.BodyAsync("/v1/messages?beta=true", $"{{{Request},\"stream\":true}}")));
    }

    [Fact]
    public async Task AWholeMessageIsOneBody()
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/v1/messages", $"{{{Request},\"metadata\":{{\"user_id\":\"u\"}},\"service_tier\":\"auto\"}}");
        Assert.Equal(["metadata", "service_tier"], response.Headers.GetValues("x-kvasir-ignored").Single().Split(',').Order(StringComparer.Ordinal));
        Assert.Equal(response.Headers.GetValues("x-request-id").Single(), response.Headers.GetValues("request-id").Single());
        Assert.Equal(
            "{\"id\":\"msg_I\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"stories260K\",\"content\":[{\"type\":\"text\",\"text\":\",\",\"citations\":null}],"
            + "\"stop_reason\":\"max_tokens\",\"stop_sequence\":null,\"stop_details\":null,\"container\":null,"
            + "\"usage\":{\"input_tokens\":5,\"output_tokens\":1,\"cache_read_input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0}}}",
            Steady(await response.Content.ReadAsStringAsync()));
    }

    [Fact]
    public async Task AStopSequenceIsNamed()
    {
        await using var server = await RunningServer.StartAsync();
        var body = await server.BodyAsync("/v1/messages", "{\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"temperature\":0,\"max_tokens\":40,\"stop_sequences\":[\"zebra\",\"little\"]}");
        Assert.Contains("\"text\":\", there was a \"", body);
        Assert.Contains("\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"little\"", body);
    }

    private static string Steady(string body) => Id().Replace(body, "msg_I");

    [GeneratedRegex("msg_[0-9A-Za-z]{24}")]
    private static partial Regex Id();
}
