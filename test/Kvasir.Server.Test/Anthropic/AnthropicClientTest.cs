using System.Text.Json;
using global::Anthropic;
using global::Anthropic.Exceptions;
using global::Anthropic.Models.Messages;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.AI;

namespace Kvasir.Server.Test.Anthropic;

/// <summary>Anthropic's own client for .NET, as users have it.</summary>
public sealed class AnthropicClientTest
{
    private const string Opening = "\"max_tokens\":24,\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}]";

    [Fact]
    public async Task TheClientStreamsWhatItGetsWhole()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = Client(server);
        var whole = await client.Messages.Create(Request(Opening));
        Assert.True(whole.Content[0].TryPickText(out var block));
        var (text, events) = ("", 0);
        await foreach (var part in client.Messages.CreateStreaming(Request(Opening)))
        {
            events++;
            if (part.TryPickContentBlockDelta(out var delta) && delta.Delta.TryPickText(out var more))
                text += more.Text;
        }

        Assert.StartsWith(", there was a little girl named", text);
        Assert.Equal(block!.Text, text);
        Assert.Equal((5L, 24L), (whole.Usage.InputTokens, whole.Usage.OutputTokens));
        Assert.True(events > 5);
    }

    [Fact]
    public async Task TheAbstractionsSeeTextUsageAndWhyItEnded()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = Client(server);
        using var chat = client.AsIChatClient("stories260K", 24);
        var answer = await chat.GetResponseAsync(RunningServer.Opening, new ChatOptions { Temperature = 0 });
        Assert.NotEmpty(answer.Text);
        Assert.Equal((5L, 24L), (answer.Usage!.InputTokenCount, answer.Usage.OutputTokenCount));
        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
    }

    [Fact]
    public async Task TheAbstractionsInvokeTheFunctionAndAnswerWithItsResult()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(Kvasir.Text.ChatTemplate.Parse(MarkedStories.Calls, "calls")));
        var given = new List<bool>();
        var sun = AIFunctionFactory.Create(
            (bool tomorrow) =>
            {
                given.Add(tomorrow);
                return $"{tomorrow} sunny days";
            },
            "sun",
            "counts");
        using var client = Client(server);
        using var chat = client.AsIChatClient("stories260K", 60).AsBuilder().UseFunctionInvocation().Build();
        // Nothing says how this model draws: a truth value with all the blanks that may stand around it ends within the limit, a number need not.
        foreach (var streams in (bool[])[false, true])
        {
            given.Clear();
            var options = new ChatOptions { Tools = [sun], ToolMode = ChatToolMode.RequireSpecific("sun"), MaxOutputTokens = 300 };
            var response = streams
                ? await chat.GetStreamingResponseAsync("How many?", options).ToChatResponseAsync()
                : await chat.GetResponseAsync("How many?", options);
            var called = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionCallContent>());
            var result = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionResultContent>());
            Assert.Equal(("sun", called.CallId, $"{Assert.Single(given)} sunny days"), (called.Name, result.CallId, result.Result?.ToString()));
            Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role);
        }
    }

    [Fact]
    public async Task ARefusalIsTheClientsOwnException()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = Client(server);
        var refused = await Assert.ThrowsAsync<AnthropicBadRequestException>(() => client.Messages.Create(Request("\"max_tokens\":1,\"messages\":[]")));
        Assert.Contains("messages is empty", refused.Message);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AReaderThatLeavesEndsTheSequence()
    {
        await using var server = await RunningServer.StartAsync(static options => options.ContextTokens = 100_000);
        using var client = Client(server);
        await foreach (var part in client.Messages.CreateStreaming(Request(Opening.Replace("24", "90000", StringComparison.Ordinal))))
        {
            if (part.TryPickContentBlockDelta(out _))
                break;
        }

        await server.AssertQuietAsync();
    }

    // The newest client has no word for the temperature, so the body is written here.
    private static MessageCreateParams Request(string fields) => MessageCreateParams.FromRawUnchecked(
        new Dictionary<string, JsonElement>(),
        new Dictionary<string, JsonElement>(),
        JsonSerializer.Deserialize<Dictionary<string, JsonElement>>($"{{\"model\":\"stories260K\",\"temperature\":0,{fields}}}")!);

    private static AnthropicClient Client(RunningServer server) => new() { BaseUrl = server.Address.ToString().TrimEnd('/'), ApiKey = "none", MaxRetries = 0 };
}
