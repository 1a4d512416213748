using System.Text.Json.Nodes;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.AI;
using OllamaSharp;
using OllamaSharp.Models;
using OllamaSharp.Models.Chat;

namespace Kvasir.Server.Test.Ollama;

/// <summary>OllamaSharp, as users have it; and that dialects agree.</summary>
public sealed class OllamaSharpTest
{
    [Fact]
    public async Task TheClientGetsWhatChatGets()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = new OllamaApiClient(server.Address, "stories260K");
        Assert.True(await client.IsRunningAsync());
        Assert.Equal("stories260K", (await client.ListLocalModelsAsync()).Single().Name);
        var text = "";
        var request = new ChatRequest
        {
            Model = "stories260K",
            Messages = [new Message(OllamaSharp.Models.Chat.ChatRole.User, RunningServer.Opening)],
            Options = new RequestOptions { Temperature = 0, NumPredict = 24 },
        };
        await foreach (var line in client.ChatAsync(request))
            text += line?.Message.Content;
        Assert.StartsWith(", there was a little girl named", text);
        var fields = "\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time\"}],\"temperature\":0,\"max_tokens\":24}";
        var quoted = System.Text.Json.JsonSerializer.Serialize(text);
        Assert.Contains($"\"content\":{quoted}", await server.BodyJsonAsync("/v1/chat/completions", "{" + fields));
        Assert.Contains($"\"text\":{quoted}", await server.BodyJsonAsync("/v1/messages", "{" + fields));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task TheAbstractionsInvokeTheFunctionAndAnswerWithItsResult()
    {
        using var stories = new MarkedStories();
        await using var server = await stories.StartAsync(MarkedStories.Calls);
        var given = 0;
        var sun = AIFunctionFactory.Create(() => $"{++given} sunny days", "sun", "counts");
        using var http = new HttpClient(new CallsOnce()) { BaseAddress = server.Address };
        using var client = new OllamaApiClient(http, "stories260K");
        using var chat = ((IChatClient)client).AsBuilder().UseFunctionInvocation().Build();
        foreach (var streams in (bool[])[false, true])
        {
            given = 0;
            var options = new ChatOptions { Tools = [sun], Temperature = 0, MaxOutputTokens = 4 };
            var response = streams
                ? await chat.GetStreamingResponseAsync("How many?", options).ToChatResponseAsync()
                : await chat.GetResponseAsync("How many?", options);
            var contents = response.Messages.SelectMany(static message => message.Contents).ToList();
            Assert.Equal(4, given);
            Assert.Equal(contents.OfType<FunctionCallContent>().Select(static call => call.CallId), contents.OfType<FunctionResultContent>().Select(static result => result.CallId));
            Assert.NotEmpty(response.Text);
        }
    }

    [Fact]
    public async Task AnAnswerOfATypeIsHeldToItsSchema()
    {
        await using var server = await RunningServer.StartAsync();
        using var client = new OllamaApiClient(server.Address, "stories260K");
        var answer = await ((IChatClient)client).GetResponseAsync<Animal>("Lily had a", new ChatOptions { Temperature = 1, Seed = 5, MaxOutputTokens = 200 });
        Assert.True(Enum.IsDefined(answer.Result.Kind));
    }

    internal enum AnimalKind
    {
        Cat,
        Dog,
    }

    internal sealed record Animal(AnimalKind Kind, bool IsBig);

    // The dialect has no word that a tool must be called: a bias makes the model call, until there is a result.
    private sealed class CallsOnce() : DelegatingHandler(new HttpClientHandler())
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var body = JsonNode.Parse(await request.Content!.ReadAsStringAsync(cancellationToken))!;
            if (body["messages"]!.AsArray()[^1]!["role"]!.GetValue<string>() == "user")
                body["options"]!["logit_bias"] = new JsonObject { [$"{MarkedStories.WholeCall}"] = 100 };
            request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
            return await base.SendAsync(request, cancellationToken);
        }
    }
}
