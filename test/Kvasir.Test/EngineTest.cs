using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Models;

namespace Kvasir.Test;

public sealed class EngineTest : IDisposable
{
    // The model has five layers of four KV heads: 20 pages hold 32 tokens.
    private const int HeadCount = 20;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _prompt;

    public EngineTest() => _prompt = LongPrompt(100);

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(64)]
    [InlineData(99)]
    public void ChunkedPrefillEqualsOneByOne(int batchTokens)
    {
        var whole = Generation.Run(_model, Exact, _prompt, Generation.Greedy(20));
        var chunked = Generation.Run(_model, Exact with { BatchTokens = batchTokens, MaxSequences = 1 }, _prompt, Generation.Greedy(20));
        chunked.AssertEquals(whole, 1e-4, $"chunks of {batchTokens}");
    }

    [Theory]
    [InlineData(1, 16)]
    [InlineData(2, 40)]
    [InlineData(3, 512)]
    public void ABatchEqualsItsMembersAlone(int seed, int batchTokens)
    {
        var random = new Random(seed);
        var requests = Enumerable.Range(0, 9).Select(i => (LongPrompt(random.Next(1, 120)), Generation.Greedy(random.Next(1, 40)))).ToArray();
        using var engine = new Engine(_model, Exact with { BatchTokens = batchTokens, MaxSequences = 5 });
        var together = Generation.RunAll(engine, requests);
        for (var i = 0; i < requests.Length; i++)
            together[i].AssertEquals(Generation.Run(_model, Exact, requests[i].Item1, requests[i].Item2), 1e-4, $"seed {seed}, member {i}");
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void SampledTokensDoNotDependOnTheBatch()
    {
        var options = Generation.Greedy(30) with { Sampling = new SamplingOptions { Seed = 11 } };
        var alone = Generation.Run(_model, Exact, _prompt, options);
        using var engine = new Engine(_model, Exact);
        var together = Generation.RunAll(engine, [(LongPrompt(50), Generation.Greedy(10)), (_prompt, options), (_prompt, options)]);
        Assert.Equal(alone.Tokens, together[1].Tokens);
        Assert.Equal(alone.Tokens, together[2].Tokens);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void ThreadCountDoesNotChangeTheTokens(int threads) =>
        Generation.Run(_model, Exact with { Threads = threads }, _prompt, Generation.Greedy(30))
            .AssertEquals(Generation.Run(_model, Exact, _prompt, Generation.Greedy(30)), 0, $"{threads} threads");

    [Theory]
    [InlineData("bf16", 0.002)]
    [InlineData("q8", 0.01)]
    [InlineData("int8", 0.0015)]
    [InlineData("int8-channel", 0.0015)]
    [InlineData("keys=f32,values=bf16", 0.002)]
    [InlineData("keys=q8,values=bf16", 0.01)]
    [InlineData("keys=bf16,values=q8", 0.01)]
    [InlineData("keys=int8,values=bf16", 0.002)]
    [InlineData("keys=bf16,values=int8-channel", 0.002)]
    [InlineData("keys=int8,values=q8", 0.01)]
    public void StoredKeysAndValuesKeepTheLogits(Kv kv, double tolerance)
    {
        // Half of the tokens as a prompt, half one by one; root mean square errors in units of the range of a position's logits.
        var exact = GoldenLogitsEngine.LogitsOf("stories260K", LongPrompt(160), KvFormat.F32, promptCount: 80, chunkTokens: 32);
        var stored = GoldenLogitsEngine.LogitsOf("stories260K", LongPrompt(160), kv, promptCount: 80, chunkTokens: 32);
        var errors = exact.Zip(stored, (e, s) => Math.Sqrt(e.Zip(s).Average(x => Math.Pow(x.First - x.Second, 2))) / (e.Max() - e.Min())).ToArray();
        Assert.InRange(errors.Average(), 0, tolerance);
        Assert.InRange(errors.Max(), 0, 3 * tolerance);
    }

    [Fact]
    public void CancellationAtAnyStepFreesEveryPage()
    {
        for (var steps = 0; steps < 12; steps++)
        {
            using var engine = new Engine(_model, Exact with { BatchTokens = 40 });
            var cancelled = new Sequence(_prompt, Generation.Greedy(50));
            var other = new Sequence(LongPrompt(20), Generation.Greedy(12));
            engine.Submit(cancelled);
            engine.Submit(other);
            for (var step = 0; step < steps; step++)
                engine.Step();
            cancelled.Cancel();
            while (engine.Step())
                engine.Verify();
            Assert.Equal(FinishReason.Cancelled, cancelled.Finish);
            Assert.Equal(FinishReason.Length, other.Finish);
            Assert.Equal(0, engine.KvBytesInUse);
        }
    }

    [Fact]
    public async Task CancellationInsideAStepFreesEveryPage()
    {
        using var engine = new Engine(_model, Exact);
        var sequence = new Sequence(LongPrompt(400), Generation.Greedy(10));
        engine.Submit(sequence);
        var stepping = Task.Run(() =>
        {
            while (engine.Step())
            {
            }
        });
        SpinWait.SpinUntil(() => engine.KvBytesInUse > 0 || stepping.IsCompleted);
        sequence.Cancel();
        await stepping;
        Assert.Equal(0, engine.KvBytesInUse);
        engine.Verify();
    }

    [Fact]
    public void PreemptedSequencesGiveTheSameAnswers()
    {
        // Six pages a head; three sequences of 50 + 60 tokens want four each.
        var tight = Exact with { KvMemoryBytes = 6 * HeadCount * PageBytes(), MaxSequences = 3 };
        var requests = Enumerable.Range(0, 3).Select(i => (LongPrompt(50 - i), Generation.Greedy(60))).ToArray();
        using var engine = new Engine(_model, tight);
        var crowded = Generation.RunAll(engine, requests);
        for (var i = 0; i < requests.Length; i++)
            crowded[i].AssertEquals(Generation.Run(_model, Exact, requests[i].Item1, requests[i].Item2), 1e-3, $"member {i}");
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Theory]
    [InlineData(512 << 20)]
    [InlineData(int.MaxValue)]
    public void ScratchIsForWhatTheMemoryHoldsHoweverLongTheContext(int contextTokens)
    {
        using var engine = new Engine(_model, Exact with { ContextTokens = contextTokens });
        Assert.Equal(contextTokens, engine.ContextTokens);
        Assert.True(engine.Plan.TokensThatFit < 1 << 20);
        Assert.InRange(engine.Plan.ScratchBytes, 1, 256 << 20);
        var answer = Generation.Run(engine, LongPrompt(20), Generation.Greedy(5));
        Assert.Equal((5, FinishReason.Length), (answer.Tokens.Length, answer.Sequence.Finish));
    }

    [Fact]
    public void KvMemoryBeyondTheMachineIsWhatTheMachineHas()
    {
        using var engine = new Engine(_model, Exact with { KvMemoryBytes = long.MaxValue });
        Assert.Equal(Kvasir.Kernels.Memory.ResidentMemory.TotalBytes(), engine.Plan.KvMemoryBytes);
    }

    [Fact]
    public void AnAnswerThatOutgrowsTheKvMemoryEndsThereAndIsSound()
    {
        using var engine = new Engine(_model, Exact with { KvMemoryBytes = 2 * HeadCount * PageBytes() });
        var answer = Generation.Run(engine, LongPrompt(40), Generation.Greedy(100));
        Assert.Equal((FinishReason.KvFull, 25), (answer.Sequence.Finish, answer.Tokens.Length));
        Assert.Equal(Generation.Run(_model, Exact, LongPrompt(40), Generation.Greedy(25)).Tokens, answer.Tokens);
        Assert.Null(answer.Sequence.Failure);
        Assert.Equal(0, engine.KvBytesInUse);
    }

    // With one worker everything runs on the thread whose allocations are counted; with two, what the engine does between jobs.
    [Theory]
    [InlineData(1, "bf16")]
    [InlineData(1, "q8")]
    [InlineData(1, "int8")]
    [InlineData(2, "f32")]
    [InlineData(1, "keys=q8,values=int8-channel")]
    public void DecodeStepsAllocateNothing(int threads, Kv kv)
    {
        using var engine = new Engine(_model, Exact with { Kv = kv, Threads = threads });
        var options = Generation.Greedy(200) with { TopLogprobs = null, Stop = ["\u01C2 no story has this"], Sampling = new SamplingOptions { RepetitionPenalty = 1.1f } };
        var sequences = Enumerable.Range(0, 3).Select(i => new Sequence(LongPrompt(30 + i), options)).ToArray();
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        for (var step = 0; step < 10; step++)
            engine.Step();
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 80));
        Assert.All(sequences, sequence => Assert.True(sequence.GeneratedCount > 80));
    }

    [Fact]
    public void EndsAreTold()
    {
        using var engine = new Engine(_model, Exact with { ContextTokens = 64 });
        var prompt = LongPrompt(40);
        Assert.Equal(FinishReason.Length, Generation.Run(engine, prompt, Generation.Greedy(5)).Sequence.Finish);
        var full = Generation.Run(engine, prompt, Generation.Greedy(1000));
        Assert.Equal((FinishReason.ContextFull, 64), (full.Sequence.Finish, full.Sequence.TokenCount));
        var unlimited = Generation.Run(engine, prompt, Generation.Greedy(1) with { MaxTokens = null });
        Assert.Equal(FinishReason.ContextFull, unlimited.Sequence.Finish);
        var end = _model.Tokenizer.EndToken!.Value;
        var biased = new SamplingOptions { Temperature = 0, LogitBias = new Dictionary<int, float> { [end] = 100 } };
        var ended = Generation.Run(engine, prompt, Generation.Greedy(5) with { IgnoreEnd = false, Sampling = biased });
        Assert.Equal((FinishReason.End, ""), (ended.Sequence.Finish, ended.Text));
    }

    [Fact]
    public void StopStringsMaySpanTokensAndAreNotShown()
    {
        var whole = Generation.Run(_model, Exact, _model.Tokenizer.Encode(Generation.Opening), Generation.Greedy(60)).Text;
        const string Stop = "ved to pl";
        Assert.Contains(Stop, whole, StringComparison.Ordinal);
        var stopped = Generation.Run(_model, Exact, _model.Tokenizer.Encode(Generation.Opening), Generation.Greedy(60) with { Stop = ["nowhere", Stop] });
        Assert.Equal(FinishReason.Stop, stopped.Sequence.Finish);
        Assert.Equal(whole[..whole.IndexOf(Stop, StringComparison.Ordinal)], stopped.Text);
    }

    [Fact]
    public void RequestsThatCannotBeServedAreRefusedWithBothNumbers()
    {
        using var engine = new Engine(_model, Exact with { ContextTokens = 100, KvMemoryBytes = 2 * HeadCount * PageBytes(), Queue = new QueueLimits { Sequences = 1 } });
        AssertRefused(KvasirError.BadOption, [], "no token");
        AssertRefused(KvasirError.BadOption, [1, 512], "512");
        AssertRefused(KvasirError.ContextExceeded, LongPrompt(100), "100 tokens", "100");
        AssertRefused(KvasirError.KvMemoryExceeded, LongPrompt(70), "70 tokens", "64 tokens");
        engine.Submit(new Sequence([1], Generation.Greedy(1)));
        AssertRefused(KvasirError.QueueFull, [1], "1 sequences");

        void AssertRefused(KvasirError error, int[] prompt, params string[] parts)
        {
            var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(prompt, Generation.Greedy(1))));
            Assert.Equal(error, refusal.Error);
            Assert.All(parts, part => Assert.Contains(part, refusal.Message, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("threads")]
    [InlineData("batch tokens")]
    [InlineData("sequences")]
    [InlineData("queue limit")]
    [InlineData("attention policy 'streaming:dense-layers=99'")]
    public void EngineOptionsOutOfRangeAreNamed(string name)
    {
        var options = name switch
        {
            "threads" => Exact with { Threads = -1 },
            "batch tokens" => Exact with { BatchTokens = 0 },
            "sequences" => Exact with { BatchTokens = 4, MaxSequences = 5 },
            "queue limit" => Exact with { Queue = new QueueLimits { Sequences = 0 } },
            _ => Exact with { Attention = PolicyCatalog.Parse("streaming:dense-layers=99") },
        };
        Assert.Contains(name, Assert.Throws<KvasirException>(() => new Engine(_model, options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ThePlanCountsWhatTheCacheTakes()
    {
        using var engine = new Engine(_model, Exact with { Kv = KvFormat.BF16 });
        Assert.Equal(HeadCount * 2 * RowCodec.BF16.RowBytes(8), engine.Plan.KvBytesPerToken);
        var sequence = new Sequence(LongPrompt(64), Generation.Greedy(2));
        engine.Submit(sequence);
        engine.Step();
        Assert.Equal(64 * engine.Plan.KvBytesPerToken, engine.KvBytesInUse);
    }

    private int[] LongPrompt(int count)
    {
        var tokens = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 40)));
        return tokens[..count];
    }

    private static long PageBytes() => 2 * 32 * RowCodec.F32.RowBytes(8);
}
