using Kvasir.Text;
using Microsoft.Extensions.AI;

namespace Kvasir.Test;

public sealed class KvasirChatClientTest : IDisposable
{
    // The bundled model tells stories; given the last message as it is, it goes on with it.
    private static readonly ChatTemplate Plain = ChatTemplate.Parse("{{ bos_token }}{{ messages[-1].content }}", "plain");
    private static readonly ChatOptions Greedy = new() { Temperature = 0, MaxOutputTokens = 40 };
    private readonly Model _model = Generation.LoadStories();
    private readonly KvasirChatClient _client;

    public KvasirChatClientTest() =>
        _client = new KvasirChatClient(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20 }, Plain);

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task StreamsWhatTheEngineGenerates()
    {
        var expected = Generation.Run(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20 }, _model.Tokenizer.Encode(Generation.Opening), Generation.Greedy(40));
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in _client.GetStreamingResponseAsync(Generation.Opening, Greedy))
            updates.Add(update);
        Assert.True(updates.Count > 10, $"{updates.Count} updates are no stream");
        Assert.Equal(expected.Text, string.Concat(updates.Select(update => update.Text)));
        Assert.Single(updates.Select(update => update.ResponseId).Distinct());
    }

    [Fact]
    public async Task TheCollectedAnswerHasUsageAndReason()
    {
        var response = await _client.GetResponseAsync(Generation.Opening, Greedy);
        var promptCount = _model.Tokenizer.Encode(Generation.Opening).Length;
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.Equal(promptCount, response.Usage!.InputTokenCount);
        Assert.Equal(40, response.Usage.OutputTokenCount);
        Assert.Equal(promptCount + 40, response.Usage.TotalTokenCount);
        Assert.Equal(_model.Config.Name, response.ModelId);
    }

    [Fact]
    public async Task TheUsageSaysWhatAnEarlierTurnHadComputed()
    {
        var story = string.Concat(Enumerable.Repeat("Tom and Lily went to the park. ", 12));
        var count = _model.Tokenizer.Encode(story).Length;
        Assert.Equal(0, (await _client.GetResponseAsync(story, Greedy)).Usage!.CachedInputTokenCount);
        Assert.Equal(count / 32 * 32, (await _client.GetResponseAsync(story + "They saw a dog.", Greedy)).Usage!.CachedInputTokenCount);
        using var without = new KvasirChatClient(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20, PrefixCache = false }, Plain);
        await without.GetResponseAsync(story, Greedy);
        Assert.Equal(0, (await without.GetResponseAsync(story, Greedy)).Usage!.CachedInputTokenCount);
    }

    [Fact]
    public async Task AConversationThatWasSavedIsNotComputedAgainByAnotherClient()
    {
        var story = string.Concat(Enumerable.Repeat("Tom and Lily went to the park. ", 12));
        var answer = await _client.GetResponseAsync(story, Greedy);
        ChatMessage[] next = [new(ChatRole.User, story + answer.Text + " They saw a dog.")];
        using var folder = new TempFolder();
        var saved = await _client.SaveKvAsync(folder.File("story.kv"), [new ChatMessage(ChatRole.User, story + answer.Text)]);
        Assert.InRange(saved.Tokens, _model.Tokenizer.Encode(story).Length, saved.FileTokens);
        using var other = new KvasirChatClient(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20 }, Plain);
        Assert.Equal(saved, await other.LoadKvAsync(folder.File("story.kv")));
        var (warm, cold) = (await other.GetResponseAsync(next, Greedy), await _client.GetResponseAsync(next, Greedy));
        Assert.Equal((saved.Tokens, cold.Text), (warm.Usage!.CachedInputTokenCount, warm.Text));
    }

    [Fact]
    public async Task AnAuditIsReportedWithTheUsage()
    {
        var audited = new ChatOptions
        {
            Temperature = 0,
            MaxOutputTokens = 40,
            AdditionalProperties = new() { ["kvasir.attention"] = "streaming:recent=8,min-context=0", ["kvasir.audit"] = 0.5 },
        };
        var response = await _client.GetResponseAsync(Generation.Opening, audited);
        var figures = Assert.IsType<AuditFigures>(Assert.Single(response.Messages).AdditionalProperties!["kvasir.audit"]);
        Assert.Equal(0.5, figures.Share);
        Assert.InRange(figures.HeadCount, 1, 5 * 4 * 40);
        Assert.Equal(figures.HeadCount, response.Usage!.AdditionalCounts!["kvasir.audit.heads"]);
        Assert.Null((await _client.GetResponseAsync(Generation.Opening, Greedy)).Usage!.AdditionalCounts);
        await AssertRefused(KvasirError.BadOption, Generation.Opening, new ChatOptions { AdditionalProperties = new() { ["kvasir.audit"] = "some" } });
        await AssertRefused(KvasirError.BadOption, Generation.Opening, new ChatOptions { AdditionalProperties = new() { ["kvasir.audit"] = 2 } });
    }

    [Fact]
    public async Task StopSequencesEndTheAnswer()
    {
        var stopping = new ChatOptions { Temperature = 0, MaxOutputTokens = 60, StopSequences = ["Lily"] };
        var response = await _client.GetResponseAsync(Generation.Opening, stopping);
        Assert.Equal(", there was a little girl named ", response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
    }

    [Fact]
    public async Task TheSeedDecides()
    {
        var seeded = new ChatOptions { Temperature = 1.5f, TopP = 1, TopK = 200, Seed = 7, MaxOutputTokens = 30 };
        var first = await _client.GetResponseAsync(Generation.Opening, seeded);
        var again = await _client.GetResponseAsync(Generation.Opening, seeded);
        seeded.Seed = 8;
        var other = await _client.GetResponseAsync(Generation.Opening, seeded);
        Assert.Equal(first.Text, again.Text);
        Assert.NotEqual(first.Text, other.Text);
    }

    [Fact]
    public async Task RequestsAtOnceGiveWhatEachGivesAlone()
    {
        string[] openings = ["Once upon a time", "The dog", "Lily and Tom"];
        var alone = new List<string>();
        foreach (var opening in openings)
            alone.Add((await _client.GetResponseAsync(opening, Greedy)).Text);
        var together = await Task.WhenAll(openings.Select(opening => _client.GetResponseAsync(opening, Greedy)));
        Assert.Equal(alone, together.Select(response => response.Text));
    }

    [Fact]
    public async Task CancellationFreesThePages()
    {
        using var cancellation = new CancellationTokenSource();
        var count = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in _client.GetStreamingResponseAsync(Generation.Opening, new ChatOptions(), cancellation.Token))
            {
                if (++count == 3)
                    await cancellation.CancelAsync();
            }
        });
        await AssertIdle();
    }

    [Fact]
    public async Task AReaderThatStopsEarlyFreesThePages()
    {
        await using (var updates = _client.GetStreamingResponseAsync(Generation.Opening, new ChatOptions()).GetAsyncEnumerator())
            Assert.True(await updates.MoveNextAsync());
        await AssertIdle();
    }

    [Fact]
    public async Task WhatCannotBeHonouredIsRefused()
    {
        var tools = new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] };
        await AssertRefused(KvasirError.Unsupported, Generation.Opening, tools);
        await AssertRefused(KvasirError.BadOption, Generation.Opening, new ChatOptions { Temperature = -1 });
        await AssertRefused(KvasirError.BadOption, Generation.Opening, new ChatOptions { AdditionalProperties = new() { ["kvasir.attention"] = "densest" } });
        await AssertRefused(KvasirError.ContextExceeded, string.Concat(Enumerable.Repeat("Lily ", 600)), Greedy);
        var picture = new ChatMessage(ChatRole.User, [new DataContent(new byte[1], "image/png")]);
        var refusal = await Assert.ThrowsAsync<KvasirException>(() => _client.GetResponseAsync([picture], Greedy));
        Assert.Equal(KvasirError.Unsupported, refusal.Error);
    }

    [Fact]
    public void ServicesLeadToTheEngine()
    {
        Assert.Same(_model, _client.GetService<Model>());
        Assert.Equal(512, _client.GetService<Engine>()!.ContextTokens);
        Assert.Equal(_model.Config.Name, _client.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Same(_client, _client.GetService<IChatClient>());
        Assert.Null(_client.GetService<string>());
    }

    [Fact]
    public void AModelWithoutTemplateIsRefusedUnlessOneIsGiven() =>
        Assert.Equal(KvasirError.BadTemplate, Assert.Throws<KvasirException>(() => new KvasirChatClient(_model)).Error);

    [Fact]
    public async Task AClosedClientRefuses()
    {
        var client = new KvasirChatClient(_model, new EngineOptions { KvMemoryBytes = 8 << 20 }, Plain);
        client.Dispose();
        client.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("x", Greedy));
    }

    [Fact]
    public async Task NullArgumentsAreNamed()
    {
        Assert.Throws<ArgumentNullException>("model", () => new KvasirChatClient((Model)null!, template: Plain));
        await Assert.ThrowsAsync<ArgumentNullException>("messages", () => _client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
        Assert.Throws<ArgumentNullException>("messages", () => _client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!));
        await Assert.ThrowsAsync<ArgumentException>("messages", () => _client.GetResponseAsync([new ChatMessage(ChatRole.User, "hi"), null!]));
        Assert.Throws<ArgumentNullException>("serviceType", () => _client.GetService(null!));
        Assert.Throws<ArgumentNullException>("model", () => new Engine(null!));
        Assert.Throws<ArgumentNullException>("engine", () => new EngineLoop(null!));
        Assert.Throws<ArgumentNullException>("name", () => Model.Load(null!));
        Assert.Throws<ArgumentNullException>("turns", () => _model.EncodeChat(null!, template: Plain));
        Assert.Throws<ArgumentException>("messages", () => _model.EncodeChat([null!], template: Plain));
        Assert.Throws<ArgumentNullException>("source", () => ChatTemplate.Parse(null!, "x"));
        Assert.Throws<ArgumentNullException>("name", () => ChatTemplate.Parse("x", null!));
        Assert.Throws<ArgumentNullException>("folder", () => ChatTemplate.FromFolder(null!));
        Assert.Throws<ArgumentNullException>("messages", () => Plain.Render(null!, new ChatTemplateOptions()));
        Assert.Throws<ArgumentNullException>("options", () => Plain.Render([], null!));
        Assert.Throws<ArgumentNullException>("text", () => _model.Tokenizer.Encode(null!));
        Assert.Throws<ArgumentNullException>("tokens", () => _model.Tokenizer.Encode("x", false, false, null!));
        Assert.Throws<ArgumentNullException>("piece", () => _model.Tokenizer.Find(null!));
        Assert.Throws<ArgumentNullException>("folder", () => Tokenizer.FromFolder(null!));
        Assert.Throws<ArgumentNullException>("metadata", () => Tokenizer.FromGguf(null!, "x"));
    }

    [Fact]
    public async Task OddOptionsAreRefusedAndTheNextRequestIsServed()
    {
        ChatOptions[] odd =
        [
            new() { StopSequences = [null!] },
            new() { StopSequences = [""] },
            new() { Temperature = float.NaN },
            new() { Temperature = float.PositiveInfinity },
            new() { TopP = float.NaN },
            new() { TopK = -1 },
            new() { MaxOutputTokens = 0 },
            new() { MaxOutputTokens = -5 },
            new() { FrequencyPenalty = float.NaN },
            new() { PresencePenalty = float.NegativeInfinity },
            new() { AdditionalProperties = new() { ["kvasir.attention"] = null } },
            new() { AdditionalProperties = new() { ["kvasir.audit"] = double.NaN } },
        ];
        foreach (var options in odd)
            await AssertRefused(KvasirError.BadOption, Generation.Opening, options);
        await AssertRefused(KvasirError.Unsupported, Generation.Opening, new ChatOptions { ConversationId = "c-1" });
        await AssertRefused(KvasirError.BadOption, [new ChatMessage(default, "hi")]);
        await AssertRefused(KvasirError.Unsupported, [new ChatMessage(ChatRole.User, [null!])]);
        await Assert.ThrowsAsync<InvalidTimeZoneException>(() => _client.GetResponseAsync(Throwing()));
        Assert.Equal(40, (await _client.GetResponseAsync(Generation.Opening, Greedy)).Usage!.OutputTokenCount);
        Assert.Equal(3, (await _client.GetResponseAsync(Generation.Opening, new ChatOptions { Seed = -1, MaxOutputTokens = 3 })).Usage!.OutputTokenCount);

        static IEnumerable<ChatMessage> Throwing()
        {
            yield return new ChatMessage(ChatRole.User, "hi");
            throw new InvalidTimeZoneException();
        }
    }

    private async Task AssertRefused(KvasirError error, ChatMessage[] messages)
    {
        var refusal = await Assert.ThrowsAsync<KvasirException>(() => _client.GetResponseAsync(messages));
        Assert.Equal(error, refusal.Error);
    }

    private async Task AssertRefused(KvasirError error, string prompt, ChatOptions options)
    {
        var refusal = await Assert.ThrowsAsync<KvasirException>(() => _client.GetResponseAsync(prompt, options));
        Assert.Equal(error, refusal.Error);
    }

    // A request behind the cancelled one is answered by the same loop, so the cancelled one has been dropped by then.
    private async Task AssertIdle()
    {
        await _client.GetResponseAsync("The", new ChatOptions { MaxOutputTokens = 1 });
        var engine = _client.GetService<Engine>()!;
        Assert.Equal(engine.Prefixes.IdleBytes, engine.KvBytesInUse);
    }
}
