using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Requests.Guessing;

namespace Kvasir.Test.Requests;

/// <summary>A model that guesses by its own weights in 4 bits (QuantSpec, arXiv 2502.10424) says what it would have said.</summary>
public sealed class DraftTest : IDisposable
{
    private const int Guesses = 5;
    private readonly Model _plain = Generation.LoadStories();
    private readonly Model _model = Model.Load("stories260K", new ModelOptions { DraftWeights = true });
    private readonly int[] _text;

    public DraftTest() => _text = _plain.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park. They saw a red ball and a cat. ", 30)));

    public void Dispose()
    {
        _plain.Dispose();
        _model.Dispose();
    }

    // The borders at which newest rows are rounded lie at 128, 256 and 384.
    [Theory]
    [InlineData("dense", "quantspec", 100)]
    [InlineData("dense", "bf16", 33)]
    [InlineData("quest:page=4,share=0.3,sinks=2,recent=9,dense-layers=none,min-context=0", "quantspec", 200)]
    public void GreedyTokensAreThoseWithoutADraft(string policy, string kv, int promptCount) => AssertSame(policy, kv, promptCount, 160);

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("dense", "f32", 64)]
    [InlineData("dense", "quantspec", 1)]
    [InlineData("dense", "quantspec", 255)]
    [InlineData("dense", "keys=quantspec,values=bf16", 127)]
    [InlineData("dense", "q8", 120)]
    [InlineData("streaming:sinks=2,recent=40,dense-layers=none,min-context=0", "quantspec", 100)]
    [InlineData("psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0", "quantspec", 150)]
    [InlineData("magicpig:bits=3,tables=20,sinks=2,recent=8,segment=64,dense-layers=none,min-context=0", "f32", 90)]
    [InlineData("h2o:heavy=0.2,newest=0.2,observed=20,recent=4,min-context=0", "f32", 90)]
    public void GreedyTokensAreThoseWithoutADraftUnderAllKindsOfPolicies(string policy, string kv, int promptCount) => AssertSame(policy, kv, promptCount, 200);

    [Fact]
    public void DrawnTokensAreThoseWithoutADraft()
    {
        for (var seed = 0UL; seed < 4; seed++)
        {
            var sampling = new SamplingOptions { Temperature = 0.5f, TopK = 0, TopP = 0.95f, RepetitionPenalty = seed % 2 == 0 ? 1 : 1.02f, Seed = seed };
            var options = Generation.Greedy(90) with { Sampling = sampling };
            // In floats, so that no draw near a border falls to the other side for the rounding of a step of several rows.
            var expected = Generation.Run(_plain, Options("f32"), _text[..100], options);
            var drafted = Generation.Run(_model, Options("f32"), _text[..100], options with { SpeculativeTokens = Guesses });
            drafted.AssertEquals(expected, 1e-3, $"seed {seed}");
            Assert.True(drafted.Sequence.Timings.AcceptedTokens > 30, $"{drafted.Sequence.Timings.AcceptedTokens} of {drafted.Sequence.Timings.GuessedTokens} were right");
        }
    }

    // Of tokens that were guessed and verified, the frequencies over seeds are the probabilities of the model itself. The seeds are fixed, and so is the outcome.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void GuessedTokensHaveTheDistributionOfTheModel()
    {
        const int Draws = 600;
        float[] probabilities = [];
        var given = _text.AsMemory(60, 1);
        var watched = Generation.Greedy(1) with { GivenTokens = given, Logits = (index, logits) => probabilities = index == 1 ? Softmax(logits) : probabilities };
        Generation.Run(_plain, Options("quantspec"), _text[..60], watched);
        var first = Array.IndexOf(probabilities, probabilities.Max());

        // What follows the most probable first token.
        float[] expected = [];
        int[] behind = [.. given.Span, first];
        Generation.Run(
            _plain, Options("quantspec"), _text[..60],
            Generation.Greedy(1) with { GivenTokens = behind, Logits = (index, logits) => expected = index == 2 ? Softmax(logits) : expected });
        using var engine = new Engine(_model, Options("quantspec") with { PrefixCache = true });
        var counts = new int[expected.Length];
        var (accepted, total) = (0, 0);
        for (var seed = 0UL; seed < Draws; seed++)
        {
            var sampling = new SamplingOptions { Temperature = 1, TopK = 0, TopP = 1, MinP = 0, Seed = seed };
            var options = new GenerationOptions { GivenTokens = behind, MaxTokens = 3, IgnoreEnd = true, Sampling = sampling, SpeculativeTokens = 2 };
            var answer = Generation.Run(engine, _text[..60], options);
            counts[answer.Tokens[0]]++;
            (accepted, total) = (accepted + answer.Sequence.Timings.AcceptedTokens, total + 1);
        }

        Assert.True(accepted > Draws / 4, $"{accepted} guesses were right");
        // Each count is within five deviations of what is expected, the rare ones together.
        var rest = (Count: 0, Share: 0.0);
        for (var token = 0; token < counts.Length; token++)
        {
            if (expected[token] < 0.02)
                rest = (rest.Count + counts[token], rest.Share + expected[token]);
            else
                RequireNear(counts[token], total, expected[token]);
        }

        RequireNear(rest.Count, total, rest.Share);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void SeveralSequencesAreGuessedTogetherAndGiveEverythingBack()
    {
        var requests = Enumerable.Range(0, 5).Select(i => (_text[(7 * i)..(60 + (31 * i))], Generation.Greedy(70 + i) with { SpeculativeTokens = i })).ToArray();
        using var engine = new Engine(_model, Options("quantspec") with { MaxSequences = 4, KvMemoryBytes = 8 << 20 });
        var together = Generation.RunAll(engine, requests);
        Assert.Equal(0, engine.KvBytesInUse);
        Assert.True(together.Skip(1).All(static answer => answer.Sequence.Timings.GuessedTokens > 0));
        Assert.Equal(0, together[0].Sequence.Timings.GuessedTokens);
        for (var i = 0; i < requests.Length; i++)
        {
            var alone = Generation.Run(_plain, Options("quantspec"), requests[i].Item1, requests[i].Item2 with { SpeculativeTokens = 0 });
            together[i].AssertEquals(alone, 2e-2, $"request {i}");
            Assert.Equal(alone.Sequence.DecodedCount, together[i].Sequence.DecodedCount);
        }
    }

    [Fact]
    public void DraftsAreCounted()
    {
        Assert.True(_model.Weights.DraftBytes > 0);
        Assert.Equal(0, _plain.Weights.DraftBytes);
        var timings = Generation.Run(_model, Options("bf16"), _text[..90], Generation.Greedy(60) with { SpeculativeTokens = Guesses }).Sequence.Timings;
        Assert.InRange(timings.AcceptedTokens, 1, timings.GuessedTokens);
        Assert.True(timings.DraftMs > 0);
    }

    [Fact]
    public void WhatDoesNotGoTogetherIsRefusedInALine()
    {
        Assert.Equal(
            "draft weights make values of 8 elements, and a rank of 4 was asked for",
            Refused(() => Model.Load("stories260K", new ModelOptions { DraftWeights = true, KvRank = 4 }).Dispose()));
        Assert.Equal(
            "draft weights guess over keys and values in memory, and these may lie on file: without one or the other",
            Refused(() => new Engine(_model, Options("bf16") with { KvDirectory = Path.GetTempPath() }).Dispose()));
        using var engine = new Engine(_model, Options("bf16"));
        var options = Generation.Greedy(4) with { SpeculativeTokens = 2 };
        Assert.Equal(
            "an audit share of 0.5 has no place beside a draft, whose rows are no part of the answer; 0 turns it off",
            Refused(() => engine.Submit(new Sequence(_text.AsSpan(0, 9), options with { AuditShare = 0.5 }))));
        Assert.StartsWith(
            "kvmerger:min-context=0 changes rows for good",
            Refused(() => engine.Submit(new Sequence(_text.AsSpan(0, 9), options with { Attention = PolicyCatalog.Parse("kvmerger:min-context=0") }))),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(19, 0.5, 4, 6)]
    [InlineData(19, 0.2, 7, 16)]
    [InlineData(4, 0.5, 1, 4)]
    [InlineData(0, 0.5, 0, 0)]
    [InlineData(19, 1.1, 0, 0)]
    public void AsManyAreGuessedAsPay(int right, double draftShare, int least, int most)
    {
        var (costs, length) = (Costs(draftShare), new DraftLength());
        for (var round = 0; round < 200; round++)
            length.Observe(20, right);
        Assert.InRange(length.Choose(costs, 16, 1), least, most);
    }

    // A row that is verified costs what it costs, however little its guess did.
    [Theory]
    [InlineData(0, 4)]
    [InlineData(20, 0)]
    public void WhatVerifyingTakesCountsToo(double rowMs, int guesses) =>
        Assert.Equal(guesses, new DraftLength().Choose(new DraftCosts(stepMs: 10, rowMs, draftMs: 0.1), most: 4, tokens: 1));

    [Fact]
    public void ADraftThatDoesNotPayIsTriedMoreAndMoreSeldom()
    {
        var (costs, length, tried) = (Costs(1.5), new DraftLength(), new List<int>());
        for (var token = 0; token < 4000; token++)
        {
            if (length.Choose(costs, 8, 1) is not (> 0 and var count))
                continue;
            tried.Add(token);
            length.Observe(count, 0);
        }

        Assert.InRange(tried.Count, 4, 9);
        for (var i = 2; i < tried.Count - 1; i++)
            Assert.True(tried[i + 1] - tried[i] >= tried[i] - tried[i - 1]);
    }

    [Fact]
    public void TheFirstStepIsWithoutADraftAndTheNextOneTriesIt()
    {
        var (costs, length) = (new DraftCosts(), new DraftLength());
        Assert.Equal(0, length.Choose(costs, 8, 1));
        costs.ObserveStep(10, 0);
        Assert.Equal(2, length.Choose(costs, 8, 1));
        Assert.Equal(0, length.Choose(costs, 0, 1));
    }

    private static DraftCosts Costs(double draftShare)
    {
        var costs = new DraftCosts();
        costs.ObserveStep(10, 0);
        costs.ObserveStep(10.5, 5);
        costs.ObserveDraft(10 * draftShare);
        return costs;
    }

    private static EngineOptions Options(string kv) => new()
    {
        Threads = 1,
        Kv = KvFormat.Find(kv)!,
        KvMemoryBytes = 32 << 20,
        // Guesses pay, whatever the machine does meanwhile.
        DraftCosts = new DraftCosts(stepMs: 10, rowMs: 0.1, draftMs: 1),
    };

    private static void RequireNear(int count, int total, double share) =>
        Assert.InRange(count, (total * share) - (5 * Math.Sqrt(total * share * (1 - share))) - 1, (total * share) + (5 * Math.Sqrt(total * share * (1 - share))) + 1);

    private static float[] Softmax(ReadOnlySpan<float> logits)
    {
        var (largest, exponentials) = (logits.ToArray().Max(), new float[logits.Length]);
        for (var i = 0; i < logits.Length; i++)
            exponentials[i] = MathF.Exp(logits[i] - largest);
        var sum = exponentials.Sum();
        return Array.ConvertAll(exponentials, x => x / sum);
    }

    private static string Refused(Action action) => Assert.Throws<KvasirException>(action).Message;

    private void AssertSame(string policy, string kv, int promptCount, int answerCount)
    {
        var options = Generation.Greedy(answerCount) with { Attention = KeyAxesFile.Parse(policy) };
        var expected = Generation.Run(_plain, Options(kv), _text[..promptCount], options);
        var drafted = Generation.Run(_model, Options(kv), _text[..promptCount], options with { SpeculativeTokens = Guesses });
        drafted.AssertEquals(expected, kv == "f32" ? 1e-3 : 2e-2, $"{policy}, {kv}, prompt of {promptCount}");
        Assert.Equal(expected.Sequence.DecodedCount, drafted.Sequence.DecodedCount);
        var timings = drafted.Sequence.Timings;
        Assert.True(timings.AcceptedTokens > timings.GuessedTokens / 3, $"{timings.AcceptedTokens} of {timings.GuessedTokens} were right");
    }
}
