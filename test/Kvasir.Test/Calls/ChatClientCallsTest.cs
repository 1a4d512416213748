using System.Text.Json;
using Kvasir.Text;
using Microsoft.Extensions.AI;

namespace Kvasir.Test.Calls;

public sealed class ChatClientCallsTest : IDisposable
{
    // Short enough for the bundled model's context: tools by their names.
    private static readonly ChatTemplate Template = ChatTemplate.Parse(
        "{{ bos_token }}{% for tool in tools or [] %}{{ tool.function.name }} {% endfor %}{% for m in messages %}{{ m.role + ':' }}{{ m.content or '' }}"
        + "{% for c in m.tool_calls or [] %}{{ '<tool_call>{\"name\": \"' + c.function.name + '\", \"arguments\": ' + (c.function.arguments | tojson) + '}</tool_call>' }}{% endfor %}{% endfor %}",
        "short");

    private readonly Model _model = Generation.LoadStories();
    private readonly KvasirChatClient _client;

    public ChatClientCallsTest() => _client = new KvasirChatClient(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20 }, Template);

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task AnAnswerOfATypeIsReadAsThatType()
    {
        var answer = await _client.GetResponseAsync<Animal>("Lily had a", new ChatOptions { Temperature = 1, Seed = 5, MaxOutputTokens = 200 });
        Assert.InRange(answer.Result.Name.Length, 0, 200);
        Assert.True(Enum.IsDefined(answer.Result.Kind));
    }

    [Fact]
    public async Task AnyJsonIsAnObject()
    {
        var response = await _client.GetResponseAsync("Lily", new ChatOptions { ResponseFormat = ChatResponseFormat.Json, Temperature = 1, Seed = 2, MaxOutputTokens = 300 });
        Assert.StartsWith("{", response.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFunctionThatMustBeCalledIsInvokedWithArgumentsOfItsSchema()
    {
        var given = new List<int>();
        var pick = AIFunctionFactory.Create(
            (int days) =>
            {
                given.Add(days);
                return $"{days} sunny days";
            },
            "sun",
            "counts");
        using var client = _client.AsBuilder().UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [pick], ToolMode = ChatToolMode.RequireSpecific("sun"), AllowMultipleToolCalls = false, Temperature = 1, Seed = 4, MaxOutputTokens = 60 };
        var response = await client.GetResponseAsync("How many?", options);
        var called = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionCallContent>());
        Assert.Equal("sun", called.Name);
        var result = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<FunctionResultContent>());
        Assert.Equal(called.CallId, result.CallId);
        Assert.Equal($"{Assert.Single(given)} sunny days", result.Result?.ToString());
        Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role);
    }

    [Fact]
    public async Task ACallThatIsCutIsLengthAndNoCall()
    {
        var tool = AIFunctionFactory.Create((string text) => text, "echo");
        var response = await _client.GetResponseAsync("Say", new ChatOptions { Tools = [tool], ToolMode = ChatToolMode.RequireAny, Temperature = 1, Seed = 1, MaxOutputTokens = 45 });
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.DoesNotContain(response.Messages[0].Contents, static content => content is FunctionCallContent);
        Assert.StartsWith("{\"text\"", response.Text.Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ToolsThatTheTemplateDoesNotKnowAreRefused()
    {
        using var plain = new KvasirChatClient(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20 }, ChatTemplate.Parse("{{ messages[-1].content }}", "plain"));
        var refusal = await Assert.ThrowsAsync<KvasirException>(() => plain.GetResponseAsync("x", new ChatOptions { Tools = [AIFunctionFactory.Create(static () => 1, "one")] }));
        Assert.Contains("does not support tools", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task KeywordsThatCouldNotBeFollowedAreNamed()
    {
        using var schema = JsonDocument.Parse("""{"type":"object","properties":{"a":{"type":"string","format":"date","maxLength":3}},"required":["a"]}""");
        var response = await _client.GetResponseAsync("x", new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(schema.RootElement), MaxOutputTokens = 60, Seed = 1 });
        Assert.Equal(["/properties/a/format"], Assert.IsAssignableFrom<IReadOnlyList<string>>(response.Messages[0].AdditionalProperties!["kvasir.ignored"]));
        using var answer = JsonDocument.Parse(response.Text);
        Assert.InRange(answer.RootElement.GetProperty("a").GetString()!.Length, 0, 6);
    }

    internal enum AnimalKind
    {
        Cat,
        Dog,
    }

    internal sealed record Animal(AnimalKind Kind, int Age, [property: System.ComponentModel.DataAnnotations.MaxLength(8)] string Name);
}
