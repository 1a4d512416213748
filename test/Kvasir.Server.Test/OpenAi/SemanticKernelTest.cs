using System.ClientModel;
using Kvasir.Server.Test.Support;
using Kvasir.Text;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;
using OpenAI;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Semantic Kernel over its connector for OpenAI, as its users have it.</summary>
public sealed class SemanticKernelTest
{
    [Fact]
    public async Task AnAnswerIsStreamedAsItComesWhole()
    {
        await using var server = await RunningServer.StartAsync();
        var chat = Chat(server);
        var settings = new OpenAIPromptExecutionSettings { Temperature = 0, MaxTokens = 24 };
        var whole = await chat.GetChatMessageContentAsync(RunningServer.Opening, settings);
        var text = "";
        await foreach (var piece in chat.GetStreamingChatMessageContentsAsync(RunningServer.Opening, settings))
            text += piece.Content;
        Assert.StartsWith(", there was a little girl named", text);
        Assert.Equal(whole.Content, text);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task FunctionsAreCalledAndTheirResultsAnswered(bool streams)
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));
        var given = new List<string>();
        foreach (var name in (string[])["sun", "moon"])
        {
            var kernel = Kernel.CreateBuilder().Build();
            kernel.Plugins.AddFromFunctions("sky",
            [
                KernelFunctionFactory.CreateFromMethod((bool isHigh) => Note(given, $"sun {isHigh}"), "sun", "shines"),
                // Without parameters, so that its arguments are empty.
                KernelFunctionFactory.CreateFromMethod(() => Note(given, "moon"), "moon", "rises"),
            ]);
            var settings = new OpenAIPromptExecutionSettings
            {
                FunctionChoiceBehavior = FunctionChoiceBehavior.Required([kernel.Plugins.GetFunction("sky", name)]),
                Temperature = 1,
                Seed = 4,
                MaxTokens = 60,
            };
            var history = new ChatHistory("How many?");
            var chat = Chat(server);
            if (streams)
                await foreach (var _ in chat.GetStreamingChatMessageContentsAsync(history, settings, kernel)) ;
            else
                await chat.GetChatMessageContentAsync(history, settings, kernel);
            var call = Assert.Single(history.SelectMany(static message => message.Items).OfType<FunctionCallContent>());
            Assert.True(call.Exception is null, $"{call.Exception} {string.Join(' ', call.Arguments ?? [])}");
            var result = Assert.Single(history.SelectMany(static message => message.Items).OfType<FunctionResultContent>());
            Assert.Equal(("sky", name, call.Id, given[^1]), (call.PluginName, call.FunctionName, result.CallId, $"{result.Result}"));
            Assert.StartsWith(name, given[^1], StringComparison.Ordinal);
        }

        Assert.Equal(2, given.Count);
    }

    private static string Note(List<string> given, string call)
    {
        given.Add(call);
        return call;
    }

    private static OpenAIChatCompletionService Chat(RunningServer server) =>
        new("stories260K", new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1") }));
}
