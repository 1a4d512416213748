using Kvasir.Attention.Policies;
using Kvasir.Cache;

namespace Kvasir.Test.Tiers;

/// <summary>Answers whose keys and values lie on file for the most part are those of memory, bit for bit, and take as little from the managed heap.</summary>
public sealed class PagesOnFileTest : IDisposable
{
    private const int AnswerTokens = 25;
    private const int FurtherTokens = 8;
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
        { "q8", 2, 6, PageEviction.LayerLru },
        { "int8", 1, 4, PageEviction.Lru },
        { "int8-channel", 2, 4, PageEviction.Counted },
        { "f32", 2, 4, PageEviction.FlexGen },
        { "bf16", 1, 3, PageEviction.ZeroInference },
    };

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Cases))]
    public void AnswersAreThoseOfMemoryBitForBit(string format, int threads, int share, PageEviction eviction)
    {
        var options = new EngineOptions { Threads = threads, Kv = new Kv(format), KvMemoryBytes = 32 << 20, ContextTokens = 1024, PrefixCache = true, StepMs = 60_000 };
        (int[], GenerationOptions)[] requests = [.. Policies.Select((policy, i) => (Prompt(40 + (47 * i)), Options(policy, AnswerTokens)))];
        using var memory = new Engine(_model, options);
        var expected = Generation.RunAll(memory, requests);
        using var files = new Engine(_model, OnFile(options, memory.Plan, requests, share, eviction));
        Compare(expected, Generation.RunAll(files, requests));
        Assert.True(_store.Reads > 500 && _store.Writes > 100, $"{_store.Reads} reads and {_store.Writes} writes");
        // Another turn finds the rows where they lie. Alone, since who enters when depends on memory, and a batch rounds by who is in it.
        for (var i = 0; i < requests.Length; i++)
        {
            (int[], GenerationOptions)[] further = [([.. requests[i].Item1, 5, 6, 7], Options(Policies[i], FurtherTokens))];
            Compare(Generation.RunAll(memory, further), Generation.RunAll(files, further), first: i);
        }

        Assert.True(files.Prefixes.HitTokens > 100);
    }

    // Sequences that only decode: heads wait for their rows side by side, and what the next layer wants is read ahead.
    [Theory]
    [InlineData("bf16", 1, 4, PageEviction.Counted, PageAhead.On)]
    [InlineData("f32", 2, 3, PageEviction.LayerLru, PageAhead.On, Traits = ["Needs", "Minutes"])]
    [InlineData("q8", 3, 5, PageEviction.Counted, PageAhead.Off, Traits = ["Needs", "Minutes"])]
    [InlineData("bf16", 2, 4, PageEviction.ZeroInference, PageAhead.On, Traits = ["Needs", "Minutes"])]
    [InlineData("f32", 2, 4, PageEviction.FlexGen, PageAhead.Auto, Traits = ["Needs", "Minutes"])]
    public void HeadsThatWaitForTheirRowsComeToWhatTheyWouldInMemory(string format, int threads, int share, PageEviction eviction, PageAhead ahead)
    {
        var options = new EngineOptions { Threads = threads, Kv = new Kv(format), KvMemoryBytes = 32 << 20, ContextTokens = 1024, PromptsFirst = true };
        int[] chosen = [0, 1, 3, 5];
        (int[], GenerationOptions)[] requests = [.. chosen.Select(static i => (Prompt(200 + (47 * i)), Options(Policies[i], AnswerTokens)))];
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, requests, share, eviction) with { KvAhead = ahead });
        var (expected, answers) = (Generation.RunAll(memory, requests), Generation.RunAll(files, requests));
        for (var i = 0; i < chosen.Length; i++)
            Compare([.. Policies.Select(_ => expected[i])], [answers[i]], first: chosen[i]);
        var figures = files.Figures.KvFiles!.Value;
        Assert.True(figures.Reads > 100 && (figures.AheadUsed > 0 || ahead != PageAhead.On), figures.ToString());
        Assert.Equal(_model.Config.LayerCount, figures.Layers.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1, Traits = ["Needs", "Minutes"])]
    [InlineData(3, Traits = ["Needs", "Minutes"])]
    public void RowsThatAreTakenBackLeaveTheSameAnswer(int policy)
    {
        var options = new EngineOptions { Threads = 2, KvMemoryBytes = 32 << 20, ContextTokens = 1024 };
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 30)))[..400];
        (int[], GenerationOptions)[] requests = [(prompt, Options(Policies[policy], 40) with { SpeculativeTokens = 4 })];
        using var memory = new Engine(_model, options);
        var expected = Generation.RunAll(memory, requests);
        var guessed = expected[0].Sequence.Timings;
        Assert.True(guessed.GuessedTokens > guessed.AcceptedTokens, $"{guessed.GuessedTokens} guessed, {guessed.AcceptedTokens} right");
        using var files = new Engine(_model, OnFile(options, memory.Plan, requests, share: 4) with { KvAhead = PageAhead.On });
        Compare(expected, Generation.RunAll(files, requests), first: policy);
        Assert.True(_store.Reads > 100);
    }

    // Both have pages for so many tokens, one in memory and one on file, so that both preempt at the same step.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void PreemptedSequencesComeBackToTheSameAnswer()
    {
        const int Columns = 22;
        var options = new EngineOptions { Threads = 2, Kv = new Kv("f32"), KvMemoryBytes = 32 << 20, ContextTokens = 1024 };
        (int[], GenerationOptions)[] requests = [.. Enumerable.Range(0, 2).Select(static i => (Prompt(200 + i), Options("dense", 190)))];
        long columnBytes;
        using (var probe = new Engine(_model, options))
            columnBytes = probe.Plan.KvBytesPerToken * PagePool.PageTokens;
        using var memory = new Engine(_model, options with { KvMemoryBytes = Columns * columnBytes });
        using var files = new Engine(_model, options with
        {
            KvMemoryBytes = Columns * columnBytes / 4,
            KvStore = bytes => _store = new MemoryStore(bytes, Columns * (int)(columnBytes / bytes)) { MostDelay = 3 },
        });
        Compare(Generation.RunAll(memory, requests), Generation.RunAll(files, requests));
        Assert.True(memory.Figures.Preemptions > 0);
        Assert.Equal(memory.Figures.Preemptions, files.Figures.Preemptions);
        Assert.True(_store.Reads > 1000);
    }

    // Reads of two heads are under way at once: never, if the only worker waited for the rows of the first.
    [Fact]
    public void AWorkerWhoseRowsAreLateTakesAnotherHead()
    {
        const int Pages = 10;
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 32 << 20, ContextTokens = 1024 };
        (int[] Prompt, GenerationOptions Options)[] requests = [(Prompt((32 * Pages) - 25), Options(Policies[1], 20))];
        using var memory = new Engine(_model, options);
        using var engine = new Engine(_model, OnFile(options, memory.Plan, requests, share: 4) with { KvAhead = PageAhead.Off });
        engine.Submit(new Sequence(requests[0].Prompt, requests[0].Options));
        for (var step = 0; step < 5; step++)
            engine.Step();
        var heads = new HashSet<int>();
        using var several = new ManualResetEventSlim();
        _store.OnRead = (_, page, _) =>
        {
            lock (heads)
            {
                if (heads.Add(page / Pages) && heads.Count > 1)
                    several.Set();
            }

            // A head may be the only one of its layer whose rows are on file.
            several.Wait(TimeSpan.FromMilliseconds(200));
            lock (heads)
                heads.Remove(page / Pages);
        };
        for (var step = 0; step < 8 && !several.IsSet; step++)
            engine.Step();
        _store.OnRead = null;
        Assert.True(several.IsSet);
    }

    [Fact]
    public void OneAnswerOfAPromptLongerThanMemory()
    {
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 32 << 20, ContextTokens = 1024, BatchTokens = 128 };
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
    [InlineData("dense", Traits = ["Needs", "Minutes"])]
    [InlineData("quest:share=0.2,page=8,sinks=2,recent=4,dense-layers=none,min-context=0")]
    [InlineData("psa:coverage=0.6,block=16,sinks=2,recent=4,min-context=0", Traits = ["Needs", "Minutes"])]
    public void StepsThatReadFromFileAllocateNothing(string policy)
    {
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 32 << 20, ContextTokens = 1024 };
        (int[] Prompt, GenerationOptions Options)[] requests = [.. Enumerable.Range(0, 2).Select(i => (Prompt(250 + i), Options(policy, 120) with { TopLogprobs = null }))];
        using var memory = new Engine(_model, options);
        using var engine = new Engine(_model, OnFile(options, memory.Plan, requests, share: 4));
        foreach (var (prompt, own) in requests)
            engine.Submit(new Sequence(prompt, own));
        for (var step = 0; step < 30; step++)
            engine.Step();
        var reads = _store.Reads;
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 40));
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
