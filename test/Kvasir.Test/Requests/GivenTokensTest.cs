using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Requests;

/// <summary>Tokens behind a prompt that are fed as if they had been generated.</summary>
public sealed class GivenTokensTest : IDisposable
{
    private const int HeadCount = 20;
    private const int LayerCount = 5;
    private const int KvHeadCount = 4;
    private const string Streaming = "streaming:sinks=2,recent=14,dense-layers=0,min-context=0";
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public GivenTokensTest() => _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 40)));

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData("dense", 1)]
    [InlineData("dense", 37)]
    [InlineData("streaming:recent=1048576,min-context=0", 37)]
    [InlineData("quest:share=1,recent=8,dense-layers=none,min-context=0", 16)]
    [InlineData("psa:coverage=1,recent=8,min-context=0", 15)]
    public void TheyEqualTheSameTokensInThePrompt(string policy, int givenCount)
    {
        var whole = Watched([], 20, policy);
        var given = Watched(_text[(100 - givenCount)..100], 20, policy);
        using var engine = new Engine(_model, Exact);
        var expected = Generation.Run(engine, _text[..100], whole.Options);
        var actual = Generation.Run(engine, _text[..(100 - givenCount)], given.Options);
        actual.AssertEquals(expected, 1e-3, policy);
        Assert.Equal((expected.Text, 20, 120), (actual.Text, actual.Sequence.GeneratedCount, actual.Sequence.TokenCount));
        Assert.Equal(givenCount + 19, actual.Sequence.DecodedCount);
        Assert.Equal(Enumerable.Range(0, givenCount + 20), given.Seen.Select(static seen => seen.Index));
        for (var i = 0; i < 20; i++)
            AssertClose(whole.Seen[i].Logits, given.Seen[givenCount + i].Logits, 2e-3);
    }

    [Fact]
    public void LogitsBehindThemAreThoseOfTheTextReadAtOnce()
    {
        // Each given token's logits against those of a prompt that ends with it.
        var given = Watched(_text[60..76], 0, "dense");
        using var engine = new Engine(_model, Exact);
        var run = Generation.Run(engine, _text[..60], given.Options);
        Assert.Equal((FinishReason.Length, "", 16, 0), (run.Sequence.Finish, run.Text, run.Sequence.DecodedCount, run.Sequence.GeneratedCount));
        Assert.Equal(17, given.Seen.Count);
        for (var i = 0; i <= 16; i++)
        {
            var prompt = Watched([], 1, "dense");
            Generation.Run(engine, _text[..(60 + i)], prompt.Options);
            AssertClose(prompt.Seen[0].Logits, given.Seen[i].Logits, 2e-3);
        }
    }

    [Fact]
    public void TheyAreAttendedByThePolicyAndItsReadsAreTold()
    {
        var given = Watched(_text[60..70], 5, Streaming);
        var sequence = Generation.Run(_model, Exact, _text[..60], given.Options).Sequence;
        var inSight = Enumerable.Range(61, 14).Sum() * KvHeadCount;
        Assert.Equal(
            [new LayerReads(inSight, inSight, 0), .. Enumerable.Repeat(new LayerReads(14 * 16 * KvHeadCount, inSight, 0), LayerCount - 1)],
            sequence.ReadsByLayer());
    }

    [Theory]
    [InlineData("psa:block=4,unit=layer,sinks=4,recent=4,coverage=0.5,min-context=0")]
    [InlineData("psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0")]
    [InlineData("dense")]
    public void ReadsOfSequencesAddUpToThoseOfTheSteps(string policy)
    {
        using var engine = new Engine(_model, Exact);
        Sequence[] sequences = [.. new[] { 90, 70, 40 }.Select(count => new Sequence(_text.AsSpan(0, count), Watched(_text[count..(count + 10)], 3, policy).Options))];
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        var total = new LayerReads[LayerCount];
        while (engine.Step())
        {
            for (var layer = 0; layer < LayerCount; layer++)
                total[layer] += engine.LastStepLayers[layer];
        }

        Assert.Equal(total, Enumerable.Range(0, LayerCount).Select(layer => sequences.Aggregate(default(LayerReads), (sum, sequence) => sum + sequence.ReadsByLayer()[layer])));
        Assert.Equal(36, sequences.Sum(static sequence => sequence.DecodedCount));
    }

    [Fact]
    public void ABatchEqualsItsMembersAlone()
    {
        (int Prompt, int Given, int Max, string Policy)[] requests = [(50, 20, 10, "dense"), (33, 0, 25, Streaming), (70, 31, 0, Streaming), (1, 40, 5, "dense")];
        using var engine = new Engine(_model, Exact with { BatchTokens = 40 });
        var watched = requests.Select(r => Watched(_text[r.Prompt..(r.Prompt + r.Given)], r.Max, r.Policy)).ToArray();
        var together = Generation.RunAll(engine, requests.Select((r, i) => (_text[..r.Prompt], watched[i].Options)));
        for (var i = 0; i < requests.Length; i++)
        {
            var alone = Watched(watched[i].Options.GivenTokens.ToArray(), requests[i].Max, requests[i].Policy);
            together[i].AssertEquals(Generation.Run(_model, Exact, _text[..requests[i].Prompt], alone.Options), 1e-3, $"member {i}");
            Assert.Equal(alone.Seen.Count, watched[i].Seen.Count);
            for (var row = 0; row < alone.Seen.Count; row++)
                AssertClose(alone.Seen[row].Logits, watched[i].Seen[row].Logits, 2e-3);
        }
    }

    [Fact]
    public void PreemptedSequencesGoOnWithWhatWasGiven()
    {
        // Six pages a head; three sequences of 50 + 60 tokens want four each.
        using var engine = new Engine(_model, Exact with { KvMemoryBytes = 6 * HeadCount * 2 * 32 * RowCodec.F32.RowBytes(8), MaxSequences = 3 });
        var watched = Enumerable.Range(0, 3).Select(i => Watched(_text[(50 - i)..(90 - i)], 20, "dense")).ToArray();
        var crowded = Generation.RunAll(engine, watched.Select((w, i) => (_text[..(50 - i)], w.Options)));
        Assert.Contains(crowded, static run => run.Sequence.DecodedCount < 59);
        for (var i = 0; i < crowded.Length; i++)
        {
            var alone = Watched(watched[i].Options.GivenTokens.ToArray(), 20, "dense");
            crowded[i].AssertEquals(Generation.Run(_model, Exact, _text[..(50 - i)], alone.Options), 1e-3, $"member {i}");
            Assert.Equal(Enumerable.Range(0, 60), watched[i].Seen.Select(static seen => seen.Index));
            for (var row = 0; row < 60; row++)
                AssertClose(alone.Seen[row].Logits, watched[i].Seen[row].Logits, 2e-3);
        }

        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void TheyEndNothingAndCountForNoPenalty()
    {
        var end = _model.Tokenizer.EndToken!.Value;
        var penalised = Generation.Greedy(8) with { Sampling = new SamplingOptions { Temperature = 0, PresencePenalty = 2 }, Stop = ["ball"] };
        var plain = Generation.Run(_model, Exact, [.. _text[..40], end, .. _text[..30]], penalised);
        var given = Generation.Run(_model, Exact, _text[..40], penalised with { GivenTokens = (int[])[end, .. _text[..30]], IgnoreEnd = false });
        Assert.Equal((plain.Text, plain.Sequence.Finish), (given.Text, given.Sequence.Finish));
        Assert.Equal(plain.Tokens, given.Tokens);
    }

    [Fact]
    public void LimitsAreCheckedWhenTheyAreSubmitted()
    {
        using var engine = new Engine(_model, Exact with { ContextTokens = 100, KvMemoryBytes = 3 * HeadCount * 2 * 32 * RowCodec.F32.RowBytes(8) });
        AssertRefused(KvasirError.BadOption, "the given tokens have token 512", 10, [5, 512], 1);
        AssertRefused(KvasirError.BadOption, "the given tokens have token -1", 10, [-1], 1);
        AssertRefused(KvasirError.BadOption, "max tokens 0 is less than 1", 10, [], 0);
        AssertRefused(KvasirError.BadOption, "max tokens -1 is less than 0", 10, [5], -1);
        AssertRefused(KvasirError.ContextExceeded, "the prompt of 60 tokens with 40 given behind it leaves no room in the context of 100", 60, _text[..40], 1);
        AssertRefused(KvasirError.KvMemoryExceeded, "the prompt of 60 tokens with 36 given behind it needs", 60, _text[..36], 1);
        Assert.Equal(FinishReason.Length, Generation.Run(engine, _text[..60], Watched(_text[60..96], 0, "dense").Options).Sequence.Finish);

        void AssertRefused(KvasirError error, string part, int promptCount, int[] given, int maxTokens)
        {
            var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(_text.AsSpan(0, promptCount), Generation.Greedy(maxTokens) with { GivenTokens = given })));
            Assert.Equal(error, refusal.Error);
            Assert.Contains(part, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void FeedingThemAllocatesNothing()
    {
        using var engine = new Engine(_model, Exact with { Threads = 1 });
        var sum = 0f;
        var options = Generation.Greedy(1) with { TopLogprobs = null, GivenTokens = _text.AsMemory(30, 100), Logits = (_, logits) => sum += logits[0] };
        engine.Submit(new Sequence(_text.AsSpan(0, 30), options));
        for (var step = 0; step < 10; step++)
            engine.Step();
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 40));
        Assert.True(float.IsFinite(sum));
    }

    [Fact]
    public void PromptsMayAllGoBeforeAnswers()
    {
        using var engine = new Engine(_model, Exact with { BatchTokens = 32, PromptsFirst = true, MaxSequences = 3 });
        var sequences = new[] { 70, 40, 90 }.Select(count => new Sequence(_text.AsSpan(0, count), Generation.Greedy(6))).ToArray();
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        while (engine.Step())
            Assert.True(Array.TrueForAll(sequences, static s => s.DecodedCount == 0) || Array.TrueForAll(sequences, static s => s.GeneratedCount > 0));
        Assert.All(sequences, sequence => Generation.Read(sequence).AssertEquals(Generation.Run(_model, Exact, sequence.Tokens[..sequence.PromptCount].ToArray(), Generation.Greedy(6)), 1e-3, "ordered"));
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"logit {i}: {expected[i]} and {actual[i]}");
    }

    private static (GenerationOptions Options, List<(int Index, float[] Logits)> Seen) Watched(int[] given, int maxTokens, string policy)
    {
        var seen = new List<(int Index, float[] Logits)>();
        var options = Generation.Greedy(maxTokens) with
        {
            GivenTokens = given,
            Attention = PolicyCatalog.Parse(policy),
            Logits = (index, logits) => seen.Add((index, logits.ToArray())),
        };
        return (options, seen);
    }
}
