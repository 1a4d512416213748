using System.ClientModel;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>OpenAI's own client for .NET, and Microsoft's abstractions over it, as users have them.</summary>
public sealed class OpenAiClientTest
{
    [Fact]
    public async Task TheClientStreamsWhatItGetsWhole()
    {
        await using var server = await RunningServer.StartAsync();
        var client = Client(server);
        var options = new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 24 };
        var whole = (await client.CompleteChatAsync([new UserChatMessage(RunningServer.Opening)], options)).Value;
        var (text, reason, tokens) = ("", (OpenAI.Chat.ChatFinishReason?)null, 0);
        await foreach (var update in client.CompleteChatStreamingAsync([new UserChatMessage(RunningServer.Opening)], options))
        {
            text += string.Concat(update.ContentUpdate.Select(static part => part.Text));
            reason ??= update.FinishReason;
            tokens += update.Usage?.OutputTokenCount ?? 0;
        }

        Assert.StartsWith(", there was a little girl named", text);
        Assert.Equal((whole.Content[0].Text, whole.FinishReason, whole.Usage.OutputTokenCount), (text, reason!.Value, tokens));
        Assert.Equal(24, tokens);
    }

    [Fact]
    public async Task TheAbstractionsSeeTextUsageAndErrors()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = Client(server).AsIChatClient();
        var answer = await client.GetResponseAsync(RunningServer.Opening, new ChatOptions { Temperature = 0, MaxOutputTokens = 8, StopSequences = ["little"] });
        Assert.Equal((", there was a ", 5L, 0L), (answer.Text, answer.Usage!.InputTokenCount, answer.Usage.CachedInputTokenCount));
        Assert.Equal(Microsoft.Extensions.AI.ChatFinishReason.Stop, answer.FinishReason);
        var refused = await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync("x", new ChatOptions { Temperature = 200 }));
        Assert.Equal(400, refused.Status);
        Assert.Contains("temperature is 200", refused.Message);
    }

    [Fact]
    public async Task TheClientReadsACallWholeAndStreamed()
    {
        await using var server = await StartWithCallsAsync();
        var client = Client(server);
        var options = new ChatCompletionOptions { Temperature = 1, Seed = 4, ToolChoice = ChatToolChoice.CreateFunctionChoice("sun") };
        options.Tools.Add(ChatTool.CreateFunctionTool("sun", "counts", BinaryData.FromString("""{"type":"object","properties":{"days":{"type":"integer","minimum":1,"maximum":9}},"required":["days"]}""")));
        var whole = (await client.CompleteChatAsync([new UserChatMessage("How many?")], options)).Value;
        var call = Assert.Single(whole.ToolCalls);
        Assert.Equal((OpenAI.Chat.ChatFinishReason.ToolCalls, "sun"), (whole.FinishReason, call.FunctionName));
        var (name, arguments, reason) = ("", "", (OpenAI.Chat.ChatFinishReason?)null);
        await foreach (var update in client.CompleteChatStreamingAsync([new UserChatMessage("How many?")], options))
        {
            reason ??= update.FinishReason;
            foreach (var piece in update.ToolCallUpdates)
                (name, arguments) = (name + piece.FunctionName, arguments + piece.FunctionArgumentsUpdate);
        }

        Assert.Equal((call.FunctionName, $"{call.FunctionArguments}", whole.FinishReason), (name, arguments, reason!.Value));
    }

    [Fact]
    public async Task TheAbstractionsInvokeTheFunctionAndAnswerWithItsResult()
    {
        await using var server = await StartWithCallsAsync();
        var given = new List<int>();
        var sun = AIFunctionFactory.Create(
            (int days) =>
            {
                given.Add(days);
                return $"{days} sunny days";
            },
            "sun",
            "counts");
        using var client = Client(server).AsIChatClient().AsBuilder().UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [sun], ToolMode = ChatToolMode.RequireSpecific("sun"), Temperature = 1, Seed = 4, MaxOutputTokens = 60 };
        var response = await client.GetResponseAsync("How many?", options);
        var called = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionCallContent>());
        var result = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionResultContent>());
        Assert.Equal(("sun", called.CallId, $"{Assert.Single(given)} sunny days"), (called.Name, result.CallId, result.Result?.ToString()));
        Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role);
    }

    [Fact]
    public async Task TheAbstractionsReadAnAnswerOfAType()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = Client(server).AsIChatClient();
        var answer = await client.GetResponseAsync<Animal>("Lily had a", new ChatOptions { Temperature = 1, Seed = 5, MaxOutputTokens = 200 });
        Assert.True(Enum.IsDefined(answer.Result.Kind));
    }

    private static Task<RunningServer> StartWithCallsAsync() =>
        RunningServer.StartAsync(static options => options.UseTemplate(Kvasir.Text.ChatTemplate.Parse(MarkedStories.Calls, "calls")));

    private static ChatClient Client(RunningServer server) =>
        new("stories260K", new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1") });

    internal enum AnimalKind
    {
        Cat,
        Dog,
    }

    internal sealed record Animal(AnimalKind Kind, bool IsBig);
}
