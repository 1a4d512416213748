using System.Buffers;
using System.Text;
using Kvasir.Server.Anthropic;
using Kvasir.Server.Ollama;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Kvasir.Server.Responses;
using Kvasir.Text;

namespace Kvasir.Server.Test.Answers;

/// <summary>Many messages of the system become one, in every dialect, and none of them is copied for each of the others.</summary>
public sealed class TurnListTest
{
    private const int Count = 3000;
    private static readonly string Part = new('a', 400);

    [Theory]
    [InlineData("chat", "{\"role\":\"system\",\"content\":\"PART\"}")]
    [InlineData("chat", "{\"role\":\"developer\",\"content\":\"PART\"}")]
    [InlineData("ollama", "{\"role\":\"system\",\"content\":\"PART\"}")]
    [InlineData("responses", "{\"role\":\"developer\",\"content\":\"PART\"}")]
    [InlineData("messages", "{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"PART\"}]}")]
    [InlineData("blocks", "{\"type\":\"text\",\"text\":\"PART\"}")]
    public void ThousandsOfTheSystemsMessagesAreCopiedAFewTimes(string dialect, string message)
    {
        // A body of which the first message would be copied 3,000 times is 1.2 MB; all copies would be 3.6 GB.
        using var body = Body(message, Count);
        Read(dialect, body);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var turns = Read(dialect, body);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var between = dialect == "blocks" ? "\n" : "\n\n";
        Assert.Equal(string.Join(between, Enumerable.Repeat(Part, Count)), turns[0].Content);
        Assert.Equal((2, "system", "user"), (turns.Count, turns[0].Role, turns[1].Role));
        Assert.InRange(allocated, 1, 40 * Count * Part.Length);
    }

    [Theory]
    [InlineData(0, "s|u|s")]
    [InlineData(1, "s|u|s")]
    [InlineData(2, "s\n\ns|u|s")]
    public void OnlyTheFirstOnesAreJoined(int leading, string expected)
    {
        var turns = new TurnList();
        for (var i = 0; i < leading; i++)
            turns.Add(new ChatTurn("system", "s"));
        Assert.Equal(leading * "s\n\n".Length, turns.SystemLength);
        turns.Add(new ChatTurn("user", "u"));
        Assert.False(turns.IsSystemOpen);
        turns.Add(new ChatTurn("system", "s"));
        Assert.Equal(leading == 0 ? expected["s|".Length..] : expected, string.Join('|', turns.Join().Select(static turn => turn.Content)));
    }

    private static RequestBody Body(string message, int count)
    {
        var parts = string.Join(',', Enumerable.Repeat(message.Replace("PART", Part, StringComparison.Ordinal), count));
        var json = $"{{\"all\":[{parts},{{\"role\":\"user\",\"content\":\"u\"}}],\"system\":[{parts}],\"rest\":[{{\"role\":\"user\",\"content\":\"u\"}}]}}";
        return RequestBody.Parse(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(json)), new IgnoredFields(isStrict: false));
    }

    private static IReadOnlyList<ChatTurn> Read(string dialect, RequestBody body)
    {
        var fields = body.Root.Object();
        return dialect switch
        {
            "chat" => MessageFields.Read(fields.Require("all")),
            "ollama" => new OllamaTurns().Read(fields.Require("all")),
            "responses" => new InputItems().Read(null, fields.Require("all")),
            "messages" => new BlockFields(keepsBillingHeader: false, new CachePoints()).Read(null, fields.Require("all")),
            _ => new BlockFields(keepsBillingHeader: false, new CachePoints()).Read(fields.Require("system"), fields.Require("rest")),
        };
    }
}
