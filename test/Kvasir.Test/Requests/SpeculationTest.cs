using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Requests;

/// <summary>Tokens that are guessed and verified in one step are those that would have been drawn one by one.</summary>
public sealed class SpeculationTest : IDisposable
{
    private const int AnswerCount = 60;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public SpeculationTest() => _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)));

    public static TheoryData<string> Policies => [.. Attention.Policies.PolicyConformanceTest.Policies];

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Policies))]
    public void GreedyTokensAreTheSame(string policy)
    {
        // Every length meets every count over the policies, not in each: one shifts against the other.
        int[] lengths = [31, 32, 33, 120];
        int[] counts = [1, 5, 16];
        for (var i = 0; i < lengths.Length; i++)
        {
            var (prompt, count) = (_text[..lengths[i]], counts[(i + policy.Length) % counts.Length]);
            var options = Generation.Greedy(AnswerCount) with { Attention = KeyAxesFile.Parse(policy) };
            var plain = Generation.Run(_model, Exact, prompt, options);
            var guessed = Generation.Run(_model, Exact, prompt, options with { SpeculativeTokens = count });
            guessed.AssertEquals(plain, 1e-4, $"{policy}, prompt of {prompt.Length}, {count} at a time");
            Assert.Equal(plain.Sequence.DecodedCount, guessed.Sequence.DecodedCount);
        }
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("dense")]
    [InlineData("psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0")]
    [InlineData("h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0")]
    public void DrawnTokensAreTheSame(string policy)
    {
        for (var seed = 0UL; seed < 8; seed++)
        {
            var sampling = new SamplingOptions { Temperature = 0.7f, TopK = 0, TopP = 0.95f, RepetitionPenalty = seed % 2 == 0 ? 1 : 1.02f, Seed = seed };
            var options = Generation.Greedy(AnswerCount) with { Attention = PolicyCatalog.Parse(policy), Sampling = sampling, AuditShare = 0.3 };
            var plain = Generation.Run(_model, Exact, _text[..100], options);
            Generation.Run(_model, Exact, _text[..100], options with { SpeculativeTokens = 4 }).AssertEquals(plain, 1e-4, $"{policy}, seed {seed}");
        }
    }

    [Theory]
    [InlineData("streaming:sinks=2,recent=14,dense-layers=none,min-context=0")]
    [InlineData("psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0")]
    public void AnAuditCountsOnlyCandidatesThatWereTaken(string policy)
    {
        var greedy = Generation.Greedy(AnswerCount);
        // The seed says which heads are audited.
        var options = greedy with { Attention = PolicyCatalog.Parse(policy), AuditShare = 0.5, Sampling = greedy.Sampling with { Seed = 5 } };
        var plain = Generation.Run(_model, Exact, _text[..100], options).Sequence;
        var guessed = Generation.Run(_model, Exact, _text[..100], options with { SpeculativeTokens = 6 }).Sequence;
        Assert.True(guessed.Timings.AcceptedTokens > 0 && guessed.Timings.GuessedTokens > guessed.Timings.AcceptedTokens);
        var (expected, audit) = (plain.AuditFigures!, guessed.AuditFigures!);
        Assert.Equal(expected.HeadCount, audit.HeadCount);
        Assert.Equal(expected.KeysReadShare, audit.KeysReadShare, 1e-9);
        Assert.Equal(expected.KeysUsedShare, audit.KeysUsedShare, 1e-9);
        Assert.Equal(expected.MeanError, audit.MeanError, 1e-4);
        Assert.Equal(expected.MassKept, audit.MassKept, 1e-4);
    }

    [Fact]
    public void RepetitionTakesFewerSteps()
    {
        var options = Generation.Greedy(AnswerCount) with { SpeculativeTokens = 8 };
        using var engine = new Engine(_model, Exact);
        var sequence = new Sequence(_text.AsSpan(0, 100), options);
        engine.Submit(sequence);
        var steps = 0;
        while (engine.Step())
            steps++;
        var timings = sequence.Timings;
        Assert.InRange(timings.AcceptedTokens, 1, timings.GuessedTokens);
        Assert.Equal(AnswerCount, sequence.GeneratedCount);
        // One step is the prompt; the last guesses may have been right beyond the end.
        Assert.InRange(steps, AnswerCount - timings.AcceptedTokens, AnswerCount - timings.AcceptedTokens + 1);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void StopTextsAndLimitsEndAnswersWhereTheyDid()
    {
        var whole = Generation.Run(_model, Exact, _text[..100], Generation.Greedy(AnswerCount));
        for (var tokens = 1; tokens < 25; tokens++)
            AssertSame(Exact, 100, Generation.Greedy(tokens));
        for (var at = 3; at < 40; at += 3)
            AssertSame(Exact, 100, Generation.Greedy(AnswerCount) with { Stop = [whole.Text.Substring(at, 4)] });
        for (var context = 101; context < 125; context++)
            AssertSame(Exact with { ContextTokens = context }, 100, Generation.Greedy(AnswerCount) with { MaxTokens = null });
        AssertSame(Exact, 100, Generation.Greedy(AnswerCount) with { IgnoreEnd = false, MaxTokens = 400 });
    }

    [Theory]
    [InlineData("dense", 0)]
    [InlineData("dense", 7)]
    [InlineData("streaming:sinks=2,recent=14,dense-layers=0,min-context=0", 20)]
    public void LogitsAreToldOnceForEachToken(string policy, int maxTokens)
    {
        var (plain, guessed) = (Watched(policy, maxTokens, 0), Watched(policy, maxTokens, 5));
        Assert.Equal(plain.Select(static seen => seen.Index), guessed.Select(static seen => seen.Index));
        for (var i = 0; i < plain.Count; i++)
        {
            for (var token = 0; token < plain[i].Logits.Length; token++)
                Assert.Equal(plain[i].Logits[token], guessed[i].Logits[token], 2e-3f);
        }
    }

    [Fact]
    public void CrowdsAndShortMemoryChangeNothing()
    {
        // Memory for less than all, so that some give way; rows for few guesses.
        var crowd = Exact with { BatchTokens = 12, MaxSequences = 5, KvMemoryBytes = 4 << 20 };
        var requests = Enumerable.Range(0, 7).Select(i => (_text[(5 * i)..(60 + (11 * i))], Generation.Greedy(AnswerCount + i) with { SpeculativeTokens = 3 * i % 17 })).ToArray();
        using var engine = new Engine(_model, crowd);
        var together = Generation.RunAll(engine, requests);
        for (var i = 0; i < requests.Length; i++)
            together[i].AssertEquals(Generation.Run(_model, Exact, requests[i].Item1, requests[i].Item2 with { SpeculativeTokens = 0 }), 1e-3, $"request {i}");
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void ACancelledOneGivesEverythingBack()
    {
        using var engine = new Engine(_model, Exact);
        var sequence = new Sequence(_text.AsSpan(0, 100), Generation.Greedy(AnswerCount) with { SpeculativeTokens = 6 });
        engine.Submit(sequence);
        for (var step = 0; step < 4; step++)
            engine.Step();
        sequence.Cancel();
        while (engine.Step())
            engine.Verify();
        Assert.Equal((FinishReason.Cancelled, 0L), (sequence.Finish, engine.KvBytesInUse));
    }

    [Theory]
    [InlineData("dense")]
    [InlineData("h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0")]
    [InlineData("psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0")]
    [InlineData("guarded:epsilon=0.9,delta=0.4,pilot=16,sinks=2,recent=4,min-context=0")]
    public void VerifyingAllocatesNothing(string policy)
    {
        var options = Generation.Greedy(160) with { Attention = PolicyCatalog.Parse(policy), TopLogprobs = null, SpeculativeTokens = 6 };
        using var engine = new Engine(_model, Exact with { Threads = 1 });
        Generation.Run(engine, _text[..140], options);
        var sequence = new Sequence(_text.AsSpan(0, 140), options);
        engine.Submit(sequence);
        for (var step = 0; step < 8; step++)
            engine.Step();
        Assert.Equal((0L, FinishReason.None), (AllocatedBytes.OfSteps(engine, 10), sequence.Finish));
        Assert.True(sequence.Timings.GuessedTokens > 0);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(17)]
    public void NumbersOutOfRangeAreRefused(int count)
    {
        using var engine = new Engine(_model, Exact);
        var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(_text.AsSpan(0, 10), Generation.Greedy(5) with { SpeculativeTokens = count })));
        Assert.Equal($"speculative tokens {count} is outside 0 to 16", refusal.Message);
    }

    // Sums of 16 marks for each of the 20 heads take 1.3 MB more.
    [Fact]
    public void WhatMarksTakeIsAskedForWhenARequestComes()
    {
        using var engine = new Engine(_model, Exact with { KvMemoryBytes = 1 << 20 });
        var options = Generation.Greedy(5) with { Attention = PolicyCatalog.Parse("h2o:min-context=0") };
        Assert.Equal(5, Generation.Run(engine, _text[..40], options).Tokens.Length);
        var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(_text.AsSpan(0, 40), options with { SpeculativeTokens = 16 })));
        Assert.Equal(KvasirError.KvMemoryExceeded, refusal.Error);
        Assert.Contains($"{20 * 17 * 4096} of indexes", refusal.Message, StringComparison.Ordinal);
    }

    private void AssertSame(EngineOptions engine, int promptCount, GenerationOptions options)
    {
        var plain = Generation.Run(_model, engine, _text[..promptCount], options);
        var guessed = Generation.Run(_model, engine, _text[..promptCount], options with { SpeculativeTokens = 7 });
        var what = $"{options.MaxTokens} tokens, stop '{string.Join(',', options.Stop)}', context {engine.ContextTokens}";
        guessed.AssertEquals(plain, 1e-4, what);
        Assert.True((plain.Text, plain.Sequence.Finish) == (guessed.Text, guessed.Sequence.Finish), $"{what}: '{plain.Text}', {plain.Sequence.Finish} and '{guessed.Text}', {guessed.Sequence.Finish}");
    }

    private List<(int Index, float[] Logits)> Watched(string policy, int maxTokens, int speculative)
    {
        var seen = new List<(int, float[])>();
        var options = Generation.Greedy(maxTokens) with
        {
            Attention = PolicyCatalog.Parse(policy),
            GivenTokens = _text.AsMemory(60, 23),
            SpeculativeTokens = speculative,
            Logits = (index, logits) => seen.Add((index, logits.ToArray())),
        };
        Generation.Run(_model, Exact, _text[..60], options);
        Assert.Equal(maxTokens == 0 ? 24 : 23 + maxTokens, seen.Count);
        return seen;
    }
}
