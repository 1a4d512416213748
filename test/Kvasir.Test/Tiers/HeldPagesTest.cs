using Kvasir.Attention.Policies;
using Kvasir.Cache;

namespace Kvasir.Test.Tiers;

/// <summary>Orders by which sequences have a right to memory: answers are those of memory, what gives way comes back, and nothing leaves that is held.</summary>
public sealed class HeldPagesTest : IDisposable
{
    private const int MostPages = 6000;
    private const string Alisa = "alisa:ratio=0.2,scoring=literal,min-context=0";
    private readonly Model _model = Generation.LoadStories();
    private MemoryStore _store = null!;

    public void Dispose() => _model.Dispose();

    // One after another, since who enters when depends on memory, and a batch rounds by who is in it.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32", 1, PageEviction.Alisa, Alisa)]
    [InlineData("bf16", 2, PageEviction.Alisa, "alisa:ratio=0.3,scoring=literal,min-context=0,observed=16,sinks=3")]
    [InlineData("q8", 2, PageEviction.Counted, Alisa)]
    [InlineData("int8", 1, PageEviction.Alisa, Alisa)]
    [InlineData("bf16", 2, PageEviction.FlexGen, Alisa)]
    [InlineData("bf16", 1, PageEviction.Alisa, "dense")]
    [InlineData("f32", 2, PageEviction.Lru, "alisa:ratio=0.1,scoring=literal,min-context=0,score-rows=two-k")]
    public void AnswersAreThoseOfMemoryBitForBit(string format, int threads, PageEviction eviction, string policy)
    {
        var options = Options(format, threads);
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, eviction, rows: 150) with { MaxSequences = 1 });
        foreach (var length in new[] { 150, 270 })
        {
            (int[], GenerationOptions)[] request = [(Prompt(length), Answer(policy, 120))];
            var (expected, answer) = (Generation.RunAll(memory, request)[0], Generation.RunAll(files, request)[0]);
            Assert.Null(answer.Sequence.Failure);
            Assert.Equal(expected.Tokens, answer.Tokens);
            Assert.Equal(expected.Logprobs, answer.Logprobs);
        }

        Assert.True(_store.Writes > 50 && (_store.Reads > 0 || policy != "dense"), $"{_store.Reads} reads and {_store.Writes} writes");
        Assert.Equal(0, files.KvBytesInUse);
        Assert.Equal(0, files.Memory.IndexBytes);
    }

    // Three side by side, all of which memory has room for by their shares, and not whole.
    [Fact]
    public void ABatchAnswersAsInMemory()
    {
        var options = Options("bf16", 2) with { PromptsFirst = true };
        (int[], GenerationOptions)[] requests = [.. Enumerable.Range(0, 3).Select(i => (Prompt(150 + (60 * i)), Answer(Alisa, 60)))];
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, PageEviction.Alisa, rows: 580) with { MaxSequences = 3 });
        var (expected, answers) = (Generation.RunAll(memory, requests), Generation.RunAll(files, requests));
        for (var i = 0; i < requests.Length; i++)
            expected[i].AssertEquals(answers[i], 0, $"request {i}");
        Assert.Equal(0, files.Figures.Preemptions);
        Assert.True(_store.Writes > 50, $"{_store.Writes} writes");
    }

    // Copies of rows that were taken back are not those of the rows that come in their place.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void RowsThatAreTakenBackLeaveTheSameAnswer()
    {
        var options = Options("bf16", 2);
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 30)))[..400];
        (int[], GenerationOptions)[] requests = [(prompt, Answer(Alisa, 120) with { SpeculativeTokens = 4 })];
        using var memory = new Engine(_model, options);
        var expected = Generation.RunAll(memory, requests)[0];
        Assert.True(expected.Sequence.Timings.GuessedTokens > expected.Sequence.Timings.AcceptedTokens);
        using var files = new Engine(_model, OnFile(options, memory.Plan, PageEviction.Alisa, rows: 360) with { MaxSequences = 1 });
        var answer = Generation.RunAll(files, requests)[0];
        Assert.Equal(expected.Tokens, answer.Tokens);
        Assert.Equal(expected.Logprobs, answer.Logprobs);
        Assert.True(_store.Writes > 0, $"{_store.Writes} writes");
    }

    // What is read again and again is read from file once.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void CopiesSparePagesOnFile()
    {
        var options = Options("bf16", 1);
        (int[], GenerationOptions)[] requests = [(Prompt(400), Answer("alisa:ratio=0.1,scoring=literal,min-context=0", 200))];
        using var memory = new Engine(_model, options);
        var misses = new Dictionary<PageEviction, long>();
        foreach (var eviction in new[] { PageEviction.Alisa, PageEviction.FlexGen })
        {
            using var files = new Engine(_model, OnFile(options, memory.Plan, eviction, rows: 110) with { MaxSequences = 1 });
            Assert.Null(Generation.RunAll(files, requests)[0].Sequence.Failure);
            misses[eviction] = files.Figures.KvFiles!.Value.Misses;
        }

        Assert.True(misses[PageEviction.FlexGen] > 10 * misses[PageEviction.Alisa], string.Join(", ", misses));
    }

    // Three prompts enter, one answer after another finds no memory: nobody computes a row twice.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32", 1, PageEviction.Vllm, "dense")]
    [InlineData("f32", 2, PageEviction.Vllm, "quest:share=0.3,page=16,recent=4,dense-layers=none,min-context=0")]
    [InlineData("f32", 1, PageEviction.Alisa, Alisa)]
    public void WhoGivesWayComesBackWithItsRows(string format, int threads, PageEviction eviction, string policy)
    {
        var options = Options(format, threads);
        (int[], GenerationOptions)[] requests = [.. Enumerable.Range(0, 3).Select(i => (Prompt(100 + i), Answer(policy, 300)))];
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, eviction, rows: eviction == PageEviction.Vllm ? 540 : 250) with { MaxSequences = 8 });
        var (expected, answers) = (Generation.RunAll(memory, requests), Generation.RunAll(files, requests));
        for (var i = 0; i < requests.Length; i++)
        {
            Assert.Null(answers[i].Sequence.Failure);
            // A batch rounds by who is in it.
            expected[i].AssertEquals(answers[i], 2e-4, $"request {i}");
        }

        var figures = files.Figures;
        Assert.True(figures.Preemptions > 0, "nobody gave way");
        Assert.Equal(0, figures.RecomputedRows);
        Assert.True(_store.Reads > 0 && _store.Writes > 0);
        Assert.Equal(0, files.KvBytesInUse);
    }

    // Where the file has no room for those who wait either, they compute again what they had.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhatTheFileHasNoRoomForIsComputedAgain()
    {
        var options = Options("f32", 1);
        (int[], GenerationOptions)[] requests = [.. Enumerable.Range(0, 3).Select(static i => (Prompt(100 + i), Answer("dense", 300)))];
        using var memory = new Engine(_model, options);
        var expected = Generation.RunAll(memory, requests);
        var pages = (int)(memory.Plan.KvBytesPerToken * 700 / PageBytes(memory));
        using var files = new Engine(_model, OnFile(options, memory.Plan, PageEviction.Vllm, rows: 540) with
        {
            MaxSequences = 8,
            KvStore = bytes => _store = new MemoryStore(bytes, pages),
        });
        var answers = Generation.RunAll(files, requests);
        for (var i = 0; i < requests.Length; i++)
            expected[i].AssertEquals(answers[i], 2e-4, $"request {i}");
        Assert.True(files.Figures.RecomputedRows > 0);
    }

    [Fact]
    public void WhoIsCancelledWhileItWaitsWithRowsGivesThemBack()
    {
        var options = Options("f32", 1);
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, PageEviction.Vllm, rows: 540) with { MaxSequences = 8 });
        var sequences = Enumerable.Range(0, 3).Select(static i => new Sequence(Prompt(100 + i), Answer("dense", 300))).ToArray();
        foreach (var sequence in sequences)
            files.Submit(sequence);
        while (files.Figures.Preempted == 0)
            Assert.True(files.Step());
        var waiting = Assert.Single(sequences, static sequence => sequence.Place is { IsPreempted: true });
        waiting.Cancel();
        files.Step();
        Assert.Equal(FinishReason.Cancelled, waiting.Finish);
        Assert.Equal(0, files.Figures.Preempted);
        while (files.Step())
            files.Verify();
        Assert.Equal(0, files.KvBytesInUse);
        Assert.All(sequences.Where(sequence => sequence != waiting), static sequence => Assert.Equal(FinishReason.Length, sequence.Finish));
    }

    [Fact]
    public void WhatMemoryDoesNotHoldWholeIsRefused()
    {
        using var memory = new Engine(_model, Options("f32", 1));
        using var files = new Engine(_model, OnFile(Options("f32", 1), memory.Plan, PageEviction.Vllm, rows: 300));
        var refusal = Assert.Throws<KvasirException>(() => files.Submit(new Sequence(Prompt(600), Answer("dense", 1))));
        Assert.Equal(KvasirError.KvMemoryExceeded, refusal.Error);
        var probing = Assert.Throws<KvasirException>(() => files.Submit(new Sequence(Prompt(10), Answer("alisa", 1))));
        Assert.Contains("alisa:scoring=literal", probing.Message, StringComparison.Ordinal);
    }

    private static EngineOptions Options(string format, int threads) =>
        new() { Threads = threads, Kv = new Kv(format), KvMemoryBytes = 64 << 20, ContextTokens = 1024, StepMs = 60_000 };

    // So many rows in memory, and what indexes and open pages take.
    private EngineOptions OnFile(EngineOptions options, MemoryPlan plan, PageEviction eviction, int rows, int delay = 0) => options with
    {
        KvMemoryBytes = (plan.KvBytesPerToken * rows) + (3 * (plan.OpenPageBytes + 100_000)),
        KvEviction = eviction,
        KvStore = bytes => _store = new MemoryStore(bytes, MostPages) { MostDelay = delay },
    };

    private int PageBytes(Engine engine) =>
        (int)(engine.Plan.KvBytesPerToken * PagePool.PageTokens / (_model.Config.LayerCount * _model.Config.KvHeadCount));

    private static int[] Prompt(int length) => [.. Enumerable.Range(0, length).Select(i => 3 + (((i * 7) + length) % 400))];

    private static GenerationOptions Answer(string policy, int tokens) => Generation.Greedy(tokens) with { Attention = PolicyCatalog.Parse(policy) };
}
