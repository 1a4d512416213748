using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Attention;

namespace Kvasir.Test.Requests;

/// <summary>What sequences take from the prefix cache and leave there: a warm answer is the cold one, and nobody gets another's rows.</summary>
public sealed class PrefixReuseTest : IDisposable
{
    private const int PromptTokens = 200;

    // Steps of 64 rows: the rows behind a hit are computed in the same steps as in a cold run, so that there is nothing to round otherwise.
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20, BatchTokens = 64, PrefixCache = true };

    private static readonly string[] Policies =
    [
        "dense", "streaming:sinks=2,recent=14,min-context=0", "longformer:min-context=0", "sparse-transformer:min-context=0", "quest:page=8,recent=8,dense-layers=none,min-context=0",
        "psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0", "psa:block=4,unit=layer,sinks=4,recent=4,coverage=0.5,min-context=0",
        "magicpig:bits=6,tables=40,segment=64,recent=8,min-context=0", "h2o:heavy=0.1,newest=0.1,min-context=0", "alisa:min-context=0", "guarded:pilot=24,recent=4,min-context=0",
        "topk:share=0.1,min-context=0", "topp:min-context=0", "oracle:min-context=0", "had:share=0.1,recent=8,min-context=0", "clusterkv:cluster=8,min-context=0", "loki:share=0.2,recent=8,min-context=0",
    ];

    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public PrefixReuseTest() =>
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Range(0, 40).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));

    // What KIVI reads of the newest rows depends on which came in the same step.
    public static TheoryData<string> Formats => [.. KvFormat.Table.Where(static format => !format.Keys.KeepsNewest).Select(static format => format.Name)];

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Formats))]
    public void AWarmAnswerIsTheColdOneUnderEveryPolicy(string format)
    {
        using var warm = new Engine(_model, Options with { Kv = new Kv(format) });
        using var cold = new Engine(_model, Options with { Kv = new Kv(format), PrefixCache = false });
        foreach (var policy in Policies)
        {
            var options = Generation.Greedy(20) with { Attention = KeyAxesFile.Parse(policy), Tenant = policy };
            // Another prompt goes on otherwise from the 140th token: 128 are in full columns.
            Generation.Run(warm, [.. _text[..140], .. _text[300..350]], Generation.Greedy(1) with { Tenant = policy });
            var (expected, actual) = (Generation.Run(cold, _text[..PromptTokens], options), Generation.Run(warm, _text[..PromptTokens], options));
            Assert.True(actual.Sequence.CachedTokens == 128, $"{policy}: {actual.Sequence.CachedTokens} tokens were there");
            Assert.Equal((0, 0), (expected.Sequence.CachedTokens, expected.Sequence.DivergedAt ?? 0));
            Assert.True(expected.Tokens.SequenceEqual(actual.Tokens), $"{policy}: {string.Join(' ', expected.Tokens)} cold, {string.Join(' ', actual.Tokens)} warm");
            Assert.Equal(expected.Logprobs, actual.Logprobs);
            Assert.Equal(expected.Sequence.ReadsByLayer(), actual.Sequence.ReadsByLayer());
        }

        Assert.Equal((0L, 0), (cold.KvBytesInUse, (int)cold.Prefixes.Tokens));
    }

    // Rows in front of a hit were bf16 to the cold answer as long as they were among the newest, and are codes to the warm one.
    [Theory]
    [InlineData("kivi4", 0.15f)]
    [InlineData("kivi2", 1f)]
    public void PagesOfKiviAreSharedAsWholeGroups(string format, float most)
    {
        using var warm = new Engine(_model, Options with { Kv = new Kv(format) });
        using var cold = new Engine(_model, Options with { Kv = new Kv(format), PrefixCache = false });
        Generation.Run(warm, [.. _text[..140], .. _text[300..350]], Generation.Greedy(1));
        var (expected, actual) = (Generation.Run(cold, _text[..PromptTokens], Generation.Greedy(1)), Generation.Run(warm, _text[..PromptTokens], Generation.Greedy(1)));
        Assert.Equal(128, actual.Sequence.CachedTokens);
        Assert.Equal(expected.Logprobs[0], actual.Logprobs[0], most);
        Assert.NotEqual(0, actual.Logprobs[0]);
    }

    // What a model has generated need not be what its text is cut into.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void APromptOfTheSameTextInOtherTokensIsCountedOnceAndOneOfAnotherTextIsNot(bool isSameText)
    {
        using var engine = new Engine(_model, Options);
        var tokenizer = _model.Tokenizer;
        var at = Array.FindIndex(_text, 135, token => tokenizer.Piece(token).Length is > 1 and < 6 && tokenizer.Piece(token).All(char.IsAsciiLetter));
        int[] letters = [.. tokenizer.Piece(_text[at]).Select(letter => tokenizer.Find(letter.ToString())!.Value)];
        letters[^1] = isSameText ? letters[^1] : tokenizer.Find("z")!.Value;
        Generation.Run(engine, [.. _text[..at], .. letters, .. _text[(at + 1)..250]], Generation.Greedy(1));
        Assert.Equal(0, engine.Prefixes.RetokenisedPrompts);
        var answer = Generation.Run(engine, _text[..250], Generation.Greedy(1)).Sequence;
        Assert.Equal((at / 32 * 32, at), (answer.CachedTokens, answer.DivergedAt));
        Assert.Equal(isSameText ? 1 : 0, engine.Prefixes.RetokenisedPrompts);
        Generation.Run(engine, _text[..250], Generation.Greedy(1));
        Assert.Equal(isSameText ? 1 : 0, engine.Prefixes.RetokenisedPrompts);
    }

    [Fact]
    public void AHitEndsWhereTheTextsPartAndSaysSo()
    {
        using var engine = new Engine(_model, Options);
        Generation.Run(engine, [.. _text[..140], .. _text[300..350]], Generation.Greedy(1));
        var first = Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1)).Sequence;
        Assert.Equal((128, 140), (first.CachedTokens, first.DivergedAt));
        // At least one row is computed, to tell the first token; what was there is not left by one who has nothing more to say.
        var again = Generation.Run(engine, _text[..192], Generation.Greedy(1)).Sequence;
        Assert.Equal((160, null), (again.CachedTokens, again.DivergedAt));
        var longer = Generation.Run(engine, _text[..193], Generation.Greedy(1)).Sequence;
        Assert.Equal((192, null), (longer.CachedTokens, longer.DivergedAt));
        var other = Generation.Run(engine, _text[3..100], Generation.Greedy(1)).Sequence;
        Assert.Equal((0, 0), (other.CachedTokens, other.DivergedAt));
        var figures = engine.Prefixes;
        Assert.Equal((128 + 160 + 192L, 190 + (200 - 128) + (192 - 160) + 1 + 97L), (figures.HitTokens, figures.MissTokens));
    }

    [Fact]
    public void WhatAPolicyObservesOfAPromptIsComputed()
    {
        using var engine = new Engine(_model, Options);
        Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1));
        Assert.Equal(160, Cached("h2o:heavy=0.1,newest=0.1,observed=40,min-context=0"));
        Assert.Equal(128, Cached("h2o:heavy=0.1,newest=0.1,observed=41,min-context=0"));

        int Cached(string policy) => Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1) with { Attention = PolicyCatalog.Parse(policy) }).Sequence.CachedTokens;
    }

    [Theory]
    [InlineData("dense", true)]
    [InlineData("quest:page=8,recent=8,min-context=100000", true)]
    [InlineData("quest:page=8,recent=8,dense-layers=none,min-context=0", false)]
    [InlineData("magicpig:bits=6,tables=40,segment=64,recent=8,min-context=0", false)]
    [InlineData("guarded:pilot=24,recent=4,min-context=0", false)]
    public void TheSecondTurnComputesWhatIsNewAndWhatWasDecodedSparsely(string policy, bool isDense)
    {
        using var engine = new Engine(_model, Options);
        var options = Generation.Greedy(60) with { Attention = PolicyCatalog.Parse(policy) };
        var first = Generation.Run(engine, _text[..PromptTokens], options);
        int[] second = [.. first.Sequence.Tokens, .. _text[400..440]];
        var answer = Generation.Run(engine, second, options);
        // The last token of an answer is never computed.
        Assert.Equal(isDense ? (first.Sequence.TokenCount - 1) / 32 * 32 : PromptTokens / 32 * 32, answer.Sequence.CachedTokens);
        using var cold = new Engine(_model, Options with { PrefixCache = false });
        answer.AssertEquals(Generation.Run(cold, second, options), 1e-3, policy);
    }

    [Fact]
    public void SparseAnswersAreForTheirOwnPolicyAndOnlyWhereThatIsAskedFor()
    {
        const string Policy = "quest:page=8,recent=8,dense-layers=none,min-context=0";
        using var engine = new Engine(_model, Options with { ReusesSparseAnswers = true });
        var options = Generation.Greedy(60) with { Attention = PolicyCatalog.Parse(Policy) };
        var first = Generation.Run(engine, _text[..PromptTokens], options);
        int[] second = [.. first.Sequence.Tokens, .. _text[400..440]];
        Assert.Equal(0, Cached(PolicyCatalog.Dense));
        Assert.Equal(0, Cached(PolicyCatalog.Parse(Policy + ",seed=1")));
        Assert.Equal(256, Cached(PolicyCatalog.Parse(Policy)));

        int Cached(AttentionPolicy policy) => Generation.Run(engine, second, Generation.Greedy(1) with { Attention = policy }).Sequence.CachedTokens;
    }

    [Fact]
    public void TenantsAndSaltsShareNothingAndTheSameOneDoes()
    {
        using var engine = new Engine(_model, Options);
        (string? Tenant, string? Salt)[] all = [(null, null), ("a", null), ("b", null), ("a", "x"), ("a", "y"), ("b", "x"), ("", "a"), ("ax", null), (null, "x")];
        foreach (var (tenant, salt) in all)
            Assert.Equal(0, Cached(tenant, salt));
        foreach (var (tenant, salt) in all)
            Assert.Equal(192, Cached(tenant, salt));
        Assert.Equal(all.Length * 192L, engine.Prefixes.HitTokens);

        int Cached(string? tenant, string? salt) =>
            Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1) with { Tenant = tenant, CacheSalt = salt }).Sequence.CachedTokens;
    }

    [Fact]
    public void NamesThatAreTooLongAreRefused()
    {
        using var engine = new Engine(_model, Options);
        Assert.Equal("the tenant has 257 bytes, and at most 256 are allowed", Refusal(Generation.Greedy(1) with { Tenant = new string('t', 257) }));
        Assert.Equal("the cache salt has 258 bytes; 1 to 256 are allowed", Refusal(Generation.Greedy(1) with { CacheSalt = new string('\u00e9', 129) }));
        Assert.Equal("the cache salt has 0 bytes; 1 to 256 are allowed", Refusal(Generation.Greedy(1) with { CacheSalt = "" }));

        string Refusal(GenerationOptions options) => Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(_text.AsSpan(..4), options))).Message;
    }

    [Fact]
    public void WhoWantsNoCacheNeitherTakesNorLeavesRows()
    {
        using var engine = new Engine(_model, Options);
        var without = Generation.Greedy(1) with { Cache = false };
        Generation.Run(engine, _text[..PromptTokens], without);
        Assert.Equal((0L, 0L), (engine.Prefixes.Tokens, engine.KvBytesInUse));
        Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1));
        Assert.Equal(0, Generation.Run(engine, _text[..PromptTokens], without).Sequence.CachedTokens);
        Assert.Equal(192, Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1)).Sequence.CachedTokens);
    }

    [Fact]
    public void TwoWhoComputeTheSameKeepOneCopy()
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 4 });
        var alone = Generation.Run(_model, Options with { PrefixCache = false }, _text[..PromptTokens], Generation.Greedy(30));
        var all = Enumerable.Range(0, 4).Select(_ => new Sequence(_text.AsSpan(..PromptTokens), Generation.Greedy(30))).ToArray();
        foreach (var sequence in all)
            engine.Submit(sequence);
        while (all.Any(static sequence => sequence.GeneratedCount == 0))
            engine.Step();
        // Six columns that all have, and of each the page that is being written.
        engine.Verify();
        Assert.InRange(engine.KvBytesInUse / (32 * engine.Plan.KvBytesPerToken), 6, 6 + 4);
        while (engine.Step())
            engine.Verify();
        foreach (var sequence in all)
            Generation.Read(sequence).AssertEquals(alone, 1e-3, "side by side");
        Assert.Equal(engine.KvBytesInUse, engine.Prefixes.IdleBytes);
    }

    // All four enter in the same step, and the first computes for all.
    [Theory]
    [InlineData("dense")]
    [InlineData("psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0")]
    [InlineData("magicpig:bits=6,tables=40,segment=64,recent=8,min-context=0")]
    public void WhoWaitsForABatchFindsWhatOthersComputeMeanwhile(string policy)
    {
        using var engine = new Engine(_model, Options with { MaxSequences = 4 });
        var options = Generation.Greedy(10) with { Attention = PolicyCatalog.Parse(policy) };
        var all = Enumerable.Range(0, 4).Select(_ => new Sequence(_text.AsSpan(0..PromptTokens), options)).ToArray();
        var answers = Generation.RunAll(engine, all);
        Assert.Equal([0, 192, 192, 192], all.Select(static sequence => sequence.CachedTokens));
        Assert.Equal((3 * 192L, PromptTokens + (3 * 8L)), (engine.Prefixes.HitTokens, engine.Prefixes.MissTokens));
        var alone = Generation.Run(_model, Options with { PrefixCache = false }, _text[..PromptTokens], options);
        foreach (var answer in answers)
            answer.AssertEquals(alone, 1e-3, policy);
    }

    [Fact]
    public void WhatWasComputedBeforeACancellationStays()
    {
        using var engine = new Engine(_model, Options);
        var cancelled = new Sequence(_text.AsSpan(..PromptTokens), Generation.Greedy(5));
        engine.Submit(cancelled);
        engine.Step();
        engine.Step();
        cancelled.Cancel();
        while (engine.Step())
            engine.Verify();
        Assert.Equal((FinishReason.Cancelled, 128L, 128L), (cancelled.Finish, engine.Prefixes.Tokens, engine.Prefixes.IdleTokens));
        Assert.Equal(128, Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1)).Sequence.CachedTokens);
    }

    [Fact]
    public void WhatAFaultySequenceHasComputedGoesWithIt()
    {
        using var engine = new Engine(_model, Options);
        Generation.Run(engine, _text[..100], Generation.Greedy(1));
        var faulty = new Sequence(_text.AsSpan(..PromptTokens), Generation.Greedy(5) with { Logits = static (_, _) => throw new InvalidTimeZoneException() });
        engine.Submit(faulty);
        while (engine.Step())
            engine.Verify();
        Assert.Equal((FinishReason.Failed, 96L), (faulty.Finish, engine.Prefixes.Tokens));
    }

    // A page whose rows share a range remembers guesses that were taken back.
    [Theory]
    [InlineData("f32", true)]
    [InlineData("int8", false)]
    public void GuessesLeaveNothingInPagesThatOthersRead(Kv format, bool keeps)
    {
        using var engine = new Engine(_model, Options with { Kv = format });
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the park. ", 12)));
        var options = Generation.Greedy(80) with { SpeculativeTokens = 4 };
        var first = Generation.Run(engine, prompt, options).Sequence;
        Assert.True(first.Timings.GuessedTokens > first.Timings.AcceptedTokens, "no guess was wrong");
        var second = Generation.Run(engine, [.. first.Tokens, 5, 6, 7], options);
        Assert.Equal(keeps ? (first.TokenCount - 1) / 32 * 32 : prompt.Length / 32 * 32, second.Sequence.CachedTokens);
        using var cold = new Engine(_model, Options with { Kv = format, PrefixCache = false });
        second.AssertEquals(Generation.Run(cold, [.. first.Tokens, 5, 6, 7], options), 1e-2, "after guesses");
    }

    // With one worker everything runs on the thread whose allocations are counted.
    [Theory]
    [InlineData("f32")]
    [InlineData("int8")]
    public void DecodeStepsThatFillColumnsAllocateNothing(Kv format)
    {
        using var engine = new Engine(_model, Options with { Kv = format, Threads = 1, MaxSequences = 3 });
        var sequences = Enumerable.Range(0, 3).Select(i => new Sequence(_text.AsSpan(i..(30 + (2 * i))), Generation.Greedy(160) with { TopLogprobs = null })).ToArray();
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        for (var step = 0; step < 10; step++)
            engine.Step();
        var columns = engine.Prefixes.AddedColumns;
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 70));
        Assert.InRange(engine.Prefixes.AddedColumns - columns, 6, 15);
    }
}
