using System.ClientModel;
using Kvasir.Server.Test.Support;
using Kvasir.Text;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Responses;

namespace Kvasir.Server.Test.Responses;

/// <summary>OpenAI's own client of responses, as users have it.</summary>
public sealed class ResponsesClientTest
{
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task TheClientStreamsWhatItGetsWhole()
    {
        await using var server = await RunningServer.StartAsync();
        var client = Responses(server);
        using var chat = client.AsIChatClient("stories260K");
        var whole = await chat.GetResponseAsync(RunningServer.Opening, new ChatOptions { Temperature = 0, MaxOutputTokens = 24 });
        Assert.StartsWith(", there was a little girl named", whole.Text);
        Assert.Equal((5L, 24L, ChatFinishReason.Length), (whole.Usage!.InputTokenCount, whole.Usage.OutputTokenCount, whole.FinishReason));
        var options = new CreateResponseOptions { Model = "stories260K", Temperature = 0, MaxOutputTokenCount = 24, StreamingEnabled = true };
        options.InputItems.Add(ResponseItem.CreateUserMessageItem(RunningServer.Opening));
        var (text, done, end) = ("", "", "");
        await foreach (var update in await client.CreateResponseStreamingAsync(options))
        {
            text += (update as StreamingResponseOutputTextDeltaUpdate)?.Delta;
            done += (update as StreamingResponseOutputTextDoneUpdate)?.Text;
            end += (update as StreamingResponseIncompleteUpdate)?.Response.GetOutputText();
        }

        Assert.Equal((whole.Text, whole.Text, whole.Text), (text, done, end));
    }

    [Fact]
    public async Task TheAbstractionsInvokeTheFunctionAndAnswerWithItsResult()
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));
        var given = new List<bool>();
        var sun = AIFunctionFactory.Create(
            (bool tomorrow) =>
            {
                given.Add(tomorrow);
                return $"{tomorrow} sunny days";
            },
            "sun",
            "counts");
        using var client = Client(server).AsBuilder().UseFunctionInvocation().Build();
        // The dialect has no seed: a truth value with all the blanks that may stand around it ends within the limit, a number need not.
        var options = new ChatOptions { Tools = [sun], ToolMode = ChatToolMode.RequireSpecific("sun"), MaxOutputTokens = 300 };
        var response = await client.GetResponseAsync("How many?", options);
        var called = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionCallContent>());
        var result = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionResultContent>());
        Assert.Equal(("sun", called.CallId, $"{Assert.Single(given)} sunny days"), (called.Name, result.CallId, result.Result?.ToString()));
        Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role);
    }

    [Fact]
    public async Task ARefusalIsTheClientsOwnException()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = Client(server);
        var refused = await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync("a", new ChatOptions { ConversationId = "resp_1" }));
        Assert.Equal(400, refused.Status);
        Assert.Contains("previous_response_id", refused.Message);
    }

    private static IChatClient Client(RunningServer server) => Responses(server).AsIChatClient("stories260K");

    private static ResponsesClient Responses(RunningServer server) =>
        new(new ApiKeyCredential("none"), new ResponsesClientOptions { Endpoint = new Uri(server.Address, "/v1") });
}
