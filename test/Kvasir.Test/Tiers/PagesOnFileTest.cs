using Kvasir.Attention.Policies;
using Kvasir.Cache;

namespace Kvasir.Test.Tiers;

/// <summary>Answers whose keys and values lie on file for the most part are those of memory, bit for bit, and take as little from the managed heap.</summary>
public sealed class PagesOnFileTest : IDisposable
{
    private const int AnswerTokens = 25;
    private const int MostPages = 4000;
    private static readonly string[] Policies =
    [
        "dense", "quest:share=0.2,page=8,sinks=2,recent=4,dense-layers=0,min-context=0", "quest:share=0.3,page=48,recent=4,dense-layers=none,min-context=0",
        "psa:coverage=0.7,block=16,sinks=2,recent=4,min-context=0", "psa:coverage=0.8,block=8,unit=layer,recent=4,min-context=0",
        "psa:coverage=1,most=0.3,block=32,sinks=2,recent=4,min-context=0",
        "longformer:window=20,dilation=7,recent=4,min-context=0", "sparse-transformer:stride=9,min-context=0",
    ];

    private readonly Model _model = Generation.LoadStories();
    private MemoryStore _store = null!;

    public static TheoryData<string, int, int, PageEviction> Cases => new()
    {
        { "f32", 1, 3, PageEviction.Counted },
        { "bf16", 2, 3, PageEviction.Lru },
        { "bf16", 2, 8, PageEviction.Counted },
        { "q8", 2, 6, PageEviction.Counted },
        { "int8", 1, 4, PageEviction.Lru },
        { "int8-channel", 2, 4, PageEviction.Counted },
    };

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Cases))]
    public void AnswersAreThoseOfMemoryBitForBit(string format, int threads, int share, PageEviction eviction)
    {
        var options = new EngineOptions { Threads = threads, Kv = new Kv(format), KvMemoryBytes = 64 << 20, ContextTokens = 1024, PrefixCache = true, StepMs = 60_000 };
        (int[], GenerationOptions)[] requests = [.. Policies.Select((policy, i) => (Prompt(40 + (47 * i)), Options(policy, AnswerTokens)))];
        using var memory = new Engine(_model, options);
        var expected = Generation.RunAll(memory, requests);
        using var files = new Engine(_model, OnFile(options, memory.Plan, requests, share, eviction));
        Compare(expected, Generation.RunAll(files, requests));
        Assert.True(_store.Reads > 500 && _store.Writes > 100, $"{_store.Reads} reads and {_store.Writes} writes");
        // Another turn finds the rows where they lie. Alone, since who enters when depends on memory, and a batch rounds by who is in it.
        for (var i = 0; i < requests.Length; i++)
        {
            (int[], GenerationOptions)[] further = [([.. requests[i].Item1, 5, 6, 7], requests[i].Item2)];
            Compare(Generation.RunAll(memory, further), Generation.RunAll(files, further), first: i);
        }

        Assert.True(files.Prefixes.HitTokens > 100);
    }

    [Fact]
    public void OneAnswerOfAPromptLongerThanMemory()
    {
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 64 << 20, ContextTokens = 1024, BatchTokens = 128 };
        var request = (Prompt(600), Options(Policies[1], 8));
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, [request], share: 5));
        Compare(Generation.RunAll(memory, [request]), Generation.RunAll(files, [request]), first: 1);
        Assert.True(_store.Reads > 100);
    }

    [Fact]
    public void WhatFitsIsNeverWritten()
    {
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20, KvStore = bytes => _store = new MemoryStore(bytes, MostPages) };
        using var engine = new Engine(_model, options);
        Assert.Null(Generation.Run(engine, Prompt(300), Options("dense", 20)).Sequence.Failure);
        Assert.Equal((0, 0), (_store.Reads, _store.Writes));
    }

    [Theory]
    [InlineData("dense")]
    [InlineData("quest:share=0.2,page=8,sinks=2,recent=4,dense-layers=none,min-context=0")]
    [InlineData("psa:coverage=0.6,block=16,sinks=2,recent=4,min-context=0")]
    public void StepsThatReadFromFileAllocateNothing(string policy)
    {
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 64 << 20, ContextTokens = 1024 };
        (int[] Prompt, GenerationOptions Options)[] requests = [.. Enumerable.Range(0, 2).Select(i => (Prompt(250 + i), Options(policy, 120) with { TopLogprobs = null }))];
        using var memory = new Engine(_model, options);
        using var engine = new Engine(_model, OnFile(options, memory.Plan, requests, share: 4));
        foreach (var (prompt, own) in requests)
            engine.Submit(new Sequence(prompt, own));
        for (var step = 0; step < 30; step++)
            engine.Step();
        var (before, reads) = (GC.GetAllocatedBytesForCurrentThread(), _store.Reads);
        for (var step = 0; step < 60; step++)
            engine.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(_store.Reads - reads > 100, $"{_store.Reads - reads} reads");
        Assert.Equal(2, engine.RunningCount);
    }

    [Fact]
    public void PoliciesThatReadAllOverAreRefusedInALine()
    {
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20, KvStore = static bytes => new MemoryStore(bytes, MostPages) });
        foreach (var name in new[] { "topk", "guarded", "magicpig", "h2o", "streaming", "snapkv", "alisa", "quest+streaming" })
        {
            var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence([1, 2], Options(name, 1))));
            Assert.Equal(KvasirError.BadOption, refusal.Error);
            Assert.Contains("does not suit keys and values on file", refusal.Message, StringComparison.Ordinal);
        }

        Assert.Throws<KvasirException>(() => new Engine(
            _model, new EngineOptions { Attention = PolicyCatalog.Parse("topk"), KvStore = static bytes => new MemoryStore(bytes, MostPages) }));
    }

    // So much memory for pages as a share of what they take, and for indexes what they take.
    private EngineOptions OnFile(
        EngineOptions options, MemoryPlan plan, (int[] Prompt, GenerationOptions Options)[] requests, int share, PageEviction eviction = PageEviction.Counted)
    {
        var tokens = requests.Sum(static request => request.Prompt.Length + AnswerTokens + PagePool.PageTokens);
        var longest = requests.Max(static request => request.Prompt.Length) + AnswerTokens + PagePool.PageTokens;
        // The model has twenty heads, one of which is in memory at least.
        var pages = Math.Max(plan.KvBytesPerToken * tokens / share, plan.KvBytesPerToken * longest / 20 * 3 / 2);
        return options with
        {
            KvMemoryBytes = pages + (requests.Length * (plan.OpenPageBytes + 90_000)),
            KvEviction = eviction,
            KvStore = bytes => _store = new MemoryStore(bytes, MostPages) { MostDelay = 5, MostRun = 1 + (share % 3) },
        };
    }

    private static void Compare(Generation[] expected, Generation[] answers, int first = 0)
    {
        for (var i = 0; i < answers.Length; i++)
        {
            Assert.Null(answers[i].Sequence.Failure);
            Assert.True(expected[i].Tokens.SequenceEqual(answers[i].Tokens), $"{Policies[i + first]}: other tokens");
            Assert.True(expected[i].Logprobs.SequenceEqual(answers[i].Logprobs), $"{Policies[i + first]}: other log-probabilities");
        }
    }

    private static int[] Prompt(int length) => [.. Enumerable.Range(0, length).Select(i => 3 + (((i * 7) + length) % 400))];

    private static GenerationOptions Options(string policy, int tokens) => Generation.Greedy(tokens) with { Attention = PolicyCatalog.Parse(policy) };
}
