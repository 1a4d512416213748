using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Requests;

/// <summary>Engines on one budget, and what memory that is refused or cannot be had becomes.</summary>
public sealed class SharedMemoryTest : IDisposable
{
    // The model has five layers of four KV heads.
    private const int HeadCount = 20;
    // Literal scores take memory in every step: ten times as many allocations as all the others have.
    private const string OfEveryStep = "alisa:ratio=0.3,scoring=literal,sum=window,observed=20,min-context=0";
    private static readonly EngineOptions Small = new() { Threads = 1, Kv = KvFormat.F32, ContextTokens = 256, BatchTokens = 64, MaxSequences = 2 };
    private readonly Model _model = Generation.LoadStories();

    public static TheoryData<string, KvFormat> Kinds => new()
    {
        { "dense", KvFormat.BF16 },
        { "dense", KvFormat.Int8Channel },
        { "magicpig:bits=4,tables=12,segment=64,sinks=3,recent=5,dense-layers=1,min-context=0", KvFormat.F32 },
        { "psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0", KvFormat.Int8 },
        { "guarded:epsilon=0.6,delta=0.3,pilot=24,sinks=0,recent=1,min-context=0", KvFormat.F32 },
        { "h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0", KvFormat.BF16 },
    };

    public static TheoryData<string, KvFormat> AllKinds
    {
        get
        {
            var kinds = Kinds;
            kinds.Add(OfEveryStep, KvFormat.F32);
            return kinds;
        }
    }

    private static long ColumnBytes => HeadCount * 2L * 32 * RowCodec.F32.RowBytes(8);

    public void Dispose() => _model.Dispose();

    [Fact]
    public void AnEngineThatIsRefusedPagesGoesOnWhenAnotherGivesThemBack()
    {
        var alone = Generation.Run(_model, Small with { KvMemoryBytes = 16 << 20 }, Prompt(90), Generation.Greedy(100));
        // Both scratches, and pages of 1.5 such answers.
        var memory = new MemoryBudget((2 * ScratchBytes()) + (9 * ColumnBytes));
        using var first = new Engine(_model, Small with { Memory = memory });
        using var second = new Engine(_model, Small with { Memory = memory });
        Sequence[] sequences = [new(Prompt(90), Generation.Greedy(100)), new(Prompt(90), Generation.Greedy(100))];
        first.Submit(sequences[0]);
        second.Submit(sequences[1]);
        var (waited, goes) = (0, true);
        while (goes)
        {
            goes = first.Step() | second.Step();
            waited += first.AwaitsMemory || second.AwaitsMemory ? 1 : 0;
            Assert.InRange(memory.TakenBytes, 0, memory.LimitBytes);
            first.Verify();
            second.Verify();
        }

        Assert.True(waited > 0, "nobody was refused");
        foreach (var sequence in sequences)
            Generation.Read(sequence).AssertEquals(alone, 1e-3, "on shared memory");
        Assert.Equal(0, memory.Figures.PageBytes + memory.Figures.IndexBytes);
        first.Dispose();
        second.Dispose();
        Assert.Equal(new MemoryFigures(0, 0, 0, 0), memory.Figures);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task LoopsOnOneBudgetAndOneWorkerPoolAnswerAsAlone()
    {
        var options = Small with { Threads = 2 };
        var alone = Generation.Run(_model, options with { KvMemoryBytes = 16 << 20 }, Prompt(90), Generation.Greedy(100));
        using var workers = new WorkerPool(2);
        var memory = new MemoryBudget((6 * ScratchBytes()) + (9 * ColumnBytes));
        EngineLoop[] loops = [.. Enumerable.Range(0, 2).Select(_ => new EngineLoop(new Engine(_model, options with { Memory = memory, Workers = workers, KvMemoryBytes = 9 * ColumnBytes })))];
        try
        {
            for (var round = 0; round < 3; round++)
            {
                Sequence[] sequences = [.. loops.Select(_ => new Sequence(Prompt(90), Generation.Greedy(100)))];
                for (var i = 0; i < loops.Length; i++)
                    await loops[i].SubmitAsync(sequences[i]);
                foreach (var sequence in sequences)
                {
                    await foreach (var _ in sequence.ReadAllAsync(TestContext.Current.CancellationToken))
                    {
                    }

                    Assert.Equal(alone.Tokens, sequence.Tokens[90..].ToArray());
                }
            }
        }
        finally
        {
            foreach (var loop in loops)
                loop.Dispose();
        }

        Assert.Equal(new MemoryFigures(0, 0, 0, 0), memory.Figures);
    }

    [Fact]
    public void AnEngineWhoseScratchDoesNotFitIsRefusedWithBothNumbers()
    {
        var memory = new MemoryBudget(2 * ColumnBytes);
        var refusal = Assert.Throws<KvasirException>(() => new Engine(_model, Small with { Memory = memory }));
        Assert.Matches($"takes [0-9]+ bytes, and {memory.LimitBytes} of {memory.LimitBytes} are left", refusal.Message);
        Assert.Equal(0, memory.TakenBytes);
    }

    // Pages for the prompt are there, and for its index not.
    [Fact]
    public void AnIndexThatDoesNotFitIsRefusedBeforeAnythingIsComputed()
    {
        using var engine = new Engine(_model, Small with { KvMemoryBytes = 8 * ColumnBytes });
        var attention = PolicyCatalog.Parse("magicpig:bits=10,tables=150,dense-layers=none,min-context=0");
        var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(Prompt(90), Generation.Greedy(5) with { Attention = attention })));
        Assert.Equal(KvasirError.KvMemoryExceeded, refusal.Error);
        Assert.Matches("needs [0-9]+ bytes of KV memory and [0-9]+ of indexes, and the limit of [0-9]+ bytes holds 0 tokens", refusal.Message);
    }

    [Fact]
    public void SequencesWhoseIndexesDoNotFitTogetherTakeTurns()
    {
        // Sums of 1024 rows, of twenty heads, beside the pages.
        var request = Generation.Greedy(60) with { Attention = PolicyCatalog.Parse("h2o:heavy=1,newest=1,min-context=0") };
        using var engine = new Engine(_model, Small with { KvMemoryBytes = (20 * 4096 * 3 / 2) + (14 * ColumnBytes) });
        var alone = Generation.Run(engine, Prompt(50), request);
        Sequence[] sequences = [new(Prompt(50), request), new(Prompt(50), request)];
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        var together = 0;
        while (engine.Step())
        {
            together = Math.Max(together, engine.RunningCount);
            Assert.InRange(engine.Memory.TotalBytes - engine.Memory.ScratchBytes, 0, engine.Plan.KvMemoryBytes);
        }

        Assert.Equal(2, together);
        Assert.All(sequences, sequence => Generation.Read(sequence).AssertEquals(alone, 1e-3, "in turns"));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void EveryAllocationOfEveryStepThatFailsIsAnAnswer() => FailEach(OfEveryStep, KvFormat.F32);

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Kinds))]
    public void EveryAllocationThatFailsIsAnAnswer(string policy, KvFormat kv) => FailEach(policy, kv);

    // From one question after another on nothing more is to be had, until the request has its answer.
    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(AllKinds))]
    public void EveryRefusalOfTheBudgetIsAnAnswer(string policy, KvFormat kv)
    {
        var request = Generation.Greedy(40) with { Attention = PolicyCatalog.Parse(policy) };
        var alone = Generation.Run(_model, Small with { Kv = kv, KvMemoryBytes = 8 << 20 }, Prompt(100), request);
        var refused = new HashSet<MemoryUse>();
        for (var (nth, isClean) = (1, false); !isClean; nth++)
        {
            var left = nth;
            var memory = new MemoryBudget(64 << 20) { Refuses = use => --left <= 0 && refused.Add(use) | true };
            try
            {
                using var engine = new Engine(_model, Small with { Kv = kv, Memory = memory, KvMemoryBytes = 8 << 20 });
                var answer = Generation.Run(engine, Prompt(100), request);
                isClean = left > 0;
                // What was answered before is sound.
                Assert.Equal(isClean ? FinishReason.Length : answer.Tokens.Length > 0 ? FinishReason.KvFull : FinishReason.Failed, answer.Sequence.Finish);
                Assert.Equal(answer.Sequence.Finish == FinishReason.Failed ? KvasirError.KvMemoryExceeded : null, answer.Sequence.Failure?.Error);
                memory.Refuses = null;
                AssertServes(engine, request, alone);
            }
            catch (KvasirException refusal) when (refusal.Error == KvasirError.BadOption)
            {
            }

            Assert.Equal(0, memory.TakenBytes);
        }

        Assert.Contains(MemoryUse.Pages, refused);
        Assert.Contains(MemoryUse.Scratch, refused);
        Assert.Equal(policy != "dense", refused.Contains(MemoryUse.Indexes));
        Assert.Equal(kv.Keys.SealsPages, refused.Contains(MemoryUse.OpenPages));
    }

    // One allocation after another fails once, until none is left that could.
    private void FailEach(string policy, KvFormat kv)
    {
        var options = Small with { Kv = kv, KvMemoryBytes = 8 << 20 };
        var request = Generation.Greedy(40) with { Attention = PolicyCatalog.Parse(policy) };
        var alone = Generation.Run(_model, options, Prompt(100), request);
        var (constructors, requests) = (0, 0);
        for (var nth = 1; ; nth++)
        {
            AlignedMemory.FailAt(nth);
            try
            {
                using var engine = new Engine(_model, options);
                var failed = Generation.Run(engine, Prompt(100), request);
                var isClean = AlignedMemory.FailureIsDue;
                AlignedMemory.FailAt(0);
                // A page that is not to be had is asked for a second time.
                if (failed.Sequence.Finish != FinishReason.Failed)
                    failed.AssertEquals(alone, 1e-4, $"allocation {nth}");
                requests += failed.Sequence.Finish == FinishReason.Failed ? 1 : 0;
                AssertServes(engine, request, alone);
                if (isClean)
                    break;
            }
            catch (KvasirException refusal) when (refusal.Error == KvasirError.BadOption)
            {
                constructors++;
            }
            finally
            {
                AlignedMemory.FailAt(0);
            }
        }

        Assert.True(constructors > 3 && (requests > 0 || policy == "dense"), $"{constructors} of constructors, {requests} of requests");
    }

    private void AssertServes(Engine engine, GenerationOptions request, Generation alone)
    {
        Assert.Equal(0, engine.KvBytesInUse);
        engine.Verify();
        Generation.Run(engine, Prompt(100), request).AssertEquals(alone, 1e-4, "the next request");
    }

    private long ScratchBytes()
    {
        using var engine = new Engine(_model, Small with { KvMemoryBytes = 16 << 20 });
        return engine.Plan.ScratchBytes;
    }

    private int[] Prompt(int count) =>
        _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..count];
}
