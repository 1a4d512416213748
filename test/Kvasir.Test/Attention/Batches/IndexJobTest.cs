using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Batches;

/// <summary>Indexes that are built in slices, between steps.</summary>
public sealed class IndexJobTest : IDisposable
{
    private const int PromptTokens = 400;

    // The model has five layers of four KV heads.
    private const int HeadCount = 20;
    private const string Hashed = "magicpig:bits=10,tables=150,segment=64,sinks=4,recent=8,min-context=0";
    private const string Coded = "guarded:epsilon=0.4,pilot=16,sinks=4,recent=8,min-context=0";
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    // Of all tokens of an engine that computes but sixteen in a step, none waits for more than sixteen rows of each head to be indexed.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(Hashed, 1)]
    [InlineData(Coded, 16)]
    public void AStepIndexesNoMoreThanItMayCompute(string policy, int rowsPerToken)
    {
        const int BatchTokens = 16;
        var counted = new CountedPolicy(PolicyCatalog.Parse(policy));
        using var engine = new Engine(_model, Options with { BatchTokens = BatchTokens, MaxSequences = 4 });
        var dense = new Sequence(Prompt(5), Generation.Greedy(500));
        var request = Generation.Greedy(60) with { Attention = counted };
        Sequence[] indexed = [new(Prompt(PromptTokens), request), new(Prompt(PromptTokens - 1), request)];
        foreach (var sequence in (Sequence[])[dense, .. indexed])
            engine.Submit(sequence);
        var (waits, most) = (0, 0L);
        while (dense.Finish == FinishReason.None || Array.Exists(indexed, static one => one.Finish == FinishReason.None))
        {
            var (before, tokens) = (counted.RowsBuilt, dense.TokenCount);
            engine.Step();
            var rows = counted.RowsBuilt - before;
            most = Math.Max(most, rows);
            waits += rows > 0 ? 1 : 0;
            Assert.InRange(rows, 0, BatchTokens * rowsPerToken * HeadCount);
            // And nobody else waits for it.
            Assert.True(dense.Finish != FinishReason.None || dense.TokenCount == tokens + 1);
        }

        Assert.True(most > 0 && waits > 2 && counted.RowsBuilt > 2 * PromptTokens, $"{counted.RowsBuilt} rows in {waits} steps, {most} in one");
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(Hashed, "bf16")]
    [InlineData(Hashed, "q8")]
    [InlineData(Coded, "bf16")]
    [InlineData("magicpig:bits=4,tables=12,centre=none,segment=64,sinks=3,recent=5,dense-layers=1,min-context=0", "f32")]
    [InlineData("psa:block=4,unit=layer,sinks=4,recent=4,coverage=0.5,min-context=0", "f32")]
    public void AnswersDoNotDependOnHowTheIndexWasSliced(string policy, Kv kv)
    {
        var options = Generation.Greedy(90) with { Attention = PolicyCatalog.Parse(policy) };
        // Of few tokens in a step the same prompt steps: computed before, and shared.
        var atOnce = Answer(512, threads: 1);
        foreach (var (slice, threads) in new[] { (7, 1), (40, 2), (300, 1) })
        {
            var sliced = Answer(slice, threads);
            Assert.Equal(atOnce.Tokens, sliced.Tokens);
            Assert.Equal(atOnce.Logprobs, sliced.Logprobs);
            Assert.Equal(atOnce.Sequence.ReadsByLayer(), sliced.Sequence.ReadsByLayer());
        }

        Generation Answer(int slice, int threads)
        {
            using var engine = new Engine(_model, Options with { Threads = threads, Kv = kv, BatchTokens = 512 });
            using var use = engine.Use();
            use.Pass.Indexing.BudgetRows = slice;
            var beside = new Sequence(Prompt(5), Generation.Greedy(400));
            engine.Submit(beside);
            engine.Step();
            return Generation.RunAll(engine, [new Sequence(Prompt(PromptTokens), options)])[0];
        }
    }

    [Fact]
    public void WhoDecodesBesideASequenceWhoseIndexIsBuiltAnswersAsAlone()
    {
        var options = Options with { BatchTokens = 32 };
        foreach (var policy in new[] { "dense", Coded })
        {
            var request = Generation.Greedy(80) with { Attention = PolicyCatalog.Parse(policy) };
            var alone = Generation.Run(_model, options, Prompt(60), request);
            using var engine = new Engine(_model, options);
            var hashed = Generation.Greedy(20) with { Attention = PolicyCatalog.Parse(Hashed) };
            var together = Generation.RunAll(engine, [(Prompt(60), request), (Prompt(PromptTokens), hashed)]);
            together[0].AssertEquals(alone, 1e-4, policy);
        }
    }

    [Fact]
    public void TheFirstTokenIsThereBeforeTheIndex()
    {
        var counted = new CountedPolicy(PolicyCatalog.Parse(Hashed));
        using var engine = new Engine(_model, Options with { BatchTokens = 16 });
        var sequence = new Sequence(Prompt(PromptTokens), Generation.Greedy(1) with { Attention = counted });
        Assert.Single(Generation.RunAll(engine, [sequence])[0].Tokens);
        Assert.Equal(0, counted.RowsBuilt);
        var longer = new Sequence(Prompt(PromptTokens), Generation.Greedy(2) with { Attention = counted });
        engine.Submit(longer);
        while (longer.GeneratedCount == 0)
        {
            Assert.Equal(0, counted.RowsBuilt);
            engine.Step();
        }

        while (engine.Step())
            Assert.True(longer.TokenCount == PromptTokens + 1 || counted.RowsBuilt > 0);
        Assert.Equal(FinishReason.Length, longer.Finish);
        Assert.InRange(longer.Timings.IndexMs, double.Epsilon, longer.Timings.EndMs - longer.Timings.FirstTokenMs);
    }

    // Cancelled, at fault or out of memory while a part of the index is there.
    [Theory]
    [InlineData("cancel")]
    [InlineData("fault")]
    [InlineData("preempt")]
    public void WhatEndsInTheMiddleOfAnIndexLeavesTheOthersAndNoMemory(string end)
    {
        const int Slice = 16 * HeadCount;
        var counted = new CountedPolicy(PolicyCatalog.Parse($"{Hashed},mode=faithful")) { FaultAt = end == "fault" ? 3 * Slice : long.MaxValue };
        var shape = _model.Config.Attention;
        // Beside the index seven slabs of pages, of 32 that there might be: for the prompt, and for what the other sequence has by then and not for what it
        // comes to meanwhile.
        var (index, planes) = (counted.IndexBytesAt(shape, PromptTokens, PromptTokens + 30, PromptTokens + 30), counted.SharedIndexBytes(shape));
        var options = Options with { BatchTokens = 16, MaxSequences = 2, KvMemoryBytes = end == "preempt" ? (index + planes) * 32 / 25 : 64 << 20 };
        var request = Generation.Greedy(200);
        var alone = Generation.Run(_model, options, Prompt(230), request);
        using var engine = new Engine(_model, options);
        var (dense, indexed) = (new Sequence(Prompt(230), request), new Sequence(Prompt(PromptTokens), Generation.Greedy(16) with { Attention = counted, Priority = 1 }));
        engine.Submit(indexed);
        engine.Step();
        engine.Submit(dense);
        var wasPreempted = false;
        while (engine.Step())
        {
            engine.Verify();
            var isBuilding = counted.RowsBuilt >= 2 * Slice && indexed.DecodedCount == 0;
            if (isBuilding && end == "cancel")
                indexed.Cancel();
            wasPreempted |= isBuilding && indexed is { CachedCount: 0, Finish: FinishReason.None };
        }

        Assert.Equal(end == "preempt", wasPreempted);
        Assert.Equal(end switch { "cancel" => FinishReason.Cancelled, "fault" => FinishReason.Failed, _ => FinishReason.Length }, indexed.Finish);
        Generation.Read(dense).AssertEquals(alone, 1e-3, end);
        Assert.Equal((0, planes), (engine.KvBytesInUse, engine.Memory.IndexBytes));
    }

    [Fact]
    public void WhatHashingNeedsIsCountedAsScratch()
    {
        using var engine = new Engine(_model, Options);
        var before = engine.Memory.ScratchBytes;
        Generation.Run(engine, Prompt(PromptTokens), Generation.Greedy(5) with { Attention = PolicyCatalog.Parse(Hashed) });
        using var use = engine.Use();
        // Of each worker products of 256 keys with 1500 planes at least.
        Assert.InRange(use.Pass.Indexing.Bytes, 256L * 1500 * sizeof(float), 2 * 4 << 20);
        Assert.Equal(before + use.Pass.Indexing.Bytes, engine.Memory.ScratchBytes);
    }

    private int[] Prompt(int count) =>
        _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 40)))[..count];
}
