using System.ClientModel;
using Kvasir.Server.Test.Support;
using Kvasir.Text;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using OpenAI;

namespace Kvasir.Server.Test.OpenAi;

/// <summary>Agents of Microsoft.Agents.AI: over HTTP, as its users have other servers, and on the host's own client.</summary>
public sealed class AgentFrameworkTest
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task AnAgentCallsItsToolAndItsSessionHasCallResultAndAnswer(bool isHosts, bool streams)
    {
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(MarkedStories.Calls, "calls")));
        var given = new List<int>();
        var sun = AIFunctionFactory.Create(
            (int days) =>
            {
                given.Add(days);
                return $"{days} sunny days";
            },
            "sun",
            "counts");
        var options = new ChatOptions { Tools = [sun], ToolMode = ChatToolMode.RequireSpecific("sun"), Temperature = 1, Seed = 4, MaxOutputTokens = 60 };
        using var client = isHosts ? server.Services.GetRequiredService<IChatClient>() : Remote(server);
        var agent = new ChatClientAgent(client, new ChatClientAgentOptions { Name = "weather", ChatOptions = options });
        var session = await agent.CreateSessionAsync();
        var response = streams
            ? await agent.RunStreamingAsync("How many?", session).ToAgentResponseAsync()
            : await agent.RunAsync("How many?", session);
        var called = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionCallContent>());
        var result = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionResultContent>());
        Assert.Equal(("sun", called.CallId, $"{Assert.Single(given)} sunny days"), (called.Name, result.CallId, $"{result.Result}"));
        Assert.NotEmpty(response.Text);
    }

    [Fact]
    public async Task TheSecondTurnOfASessionRemembersTheFirst()
    {
        const string All = "{% for m in messages %}{{ m.content + ' ' }}{% endfor %}";
        await using var server = await RunningServer.StartAsync(static options => options.UseTemplate(ChatTemplate.Parse(All, "all")));
        using var client = Remote(server);
        var agent = new ChatClientAgent(client, new ChatClientAgentOptions { ChatOptions = new ChatOptions { Temperature = 0, MaxOutputTokens = 40 } });
        var session = await agent.CreateSessionAsync();
        var first = await agent.RunAsync(
            "Once upon a time there was a little girl who had a red ball and a big dog. Every day they went to the park to play with the ball, and the dog ran", session);
        var second = await agent.RunAsync("The dog", session);
        Assert.True(second.Usage!.InputTokenCount > first.Usage!.InputTokenCount + 20, $"{first.Usage.InputTokenCount}, then {second.Usage.InputTokenCount}");
        Assert.True(second.Usage.CachedInputTokenCount >= 32, $"{second.Usage.CachedInputTokenCount} of {second.Usage.InputTokenCount}");
    }

    private static IChatClient Remote(RunningServer server) =>
        new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1") })
            .GetChatClient("stories260K").AsIChatClient();
}
