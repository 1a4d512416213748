using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention;

/// <summary>The index of rows that several sequences begin with: built by one of them, read by all, counted once.</summary>
public sealed class PrefixIndexesTest : IDisposable
{
    private const int SharedTokens = 320;
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.BF16, KvMemoryBytes = 64 << 20, BatchTokens = 64, MaxSequences = 3 };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;
    private CountedPolicy _counted = Policy(2048);

    public PrefixIndexesTest() =>
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 40)));

    public void Dispose() => _model.Dispose();

    // In segments of 64 what is a question's own is hashed too: with its prompt, or with what is generated.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(2048)]
    [InlineData(64)]
    public void AQuestionBehindAnIndexedPromptBuildsNothingAndAnswersAsTheFirstWould(int segment)
    {
        _counted = Policy(segment);
        var first = Enumerable.Range(0, 3).Select(question => Alone(question)).ToArray();
        using var engine = new Engine(_model, Options);
        var shared = Compute(engine);
        var (built, before) = (0L, _counted.RowsBuilt);
        foreach (var question in new[] { 2, 0, 1, 0, 2 })
        {
            var answer = Ask(engine, shared, question);
            built = _counted.RowsBuilt > before && built == 0 ? _counted.RowsBuilt : built;
            Assert.True(built > 0 && (segment == 64 || _counted.RowsBuilt == built), $"{_counted.RowsBuilt} rows, and {built} at first");
            Assert.Equal(first[question].Tokens, answer.Tokens);
            Assert.Equal(first[question].Logprobs, answer.Logprobs);
            Assert.Equal(first[question].Sequence.ReadsByLayer(), answer.Sequence.ReadsByLayer());
        }

        // Another seed has other planes.
        var other = PolicyCatalog.Parse($"magicpig:bits=6,tables=40,segment={segment},sinks=4,recent=8,seed=1,min-context=0");
        Generation.Run(engine, Prompt(0), Generation.Greedy(20) with { Attention = other }, shared);
        Assert.Equal(2 * Bytes(_counted), engine.Memory.IndexBytes);
        shared.Release();
        AssertBalanced(engine, 2);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void QuestionsSideBySideBuildItOnceAndAnswerAsAlone()
    {
        var alone = Enumerable.Range(0, 3).Select(question => Alone(question)).ToArray();
        var single = _counted.RowsBuilt / 3;
        using var engine = new Engine(_model, Options);
        var shared = Compute(engine);
        var before = _counted.RowsBuilt;
        var sequences = Enumerable.Range(0, 3).Select(question => Question(shared, question)).ToArray();
        var answers = Generation.RunAll(engine, sequences);
        // Of each head of the four layers that are not dense one row stands for joining what another has built.
        Assert.InRange(_counted.RowsBuilt - before, single, single + (2 * 4 * 4));
        for (var question = 0; question < 3; question++)
        {
            Assert.Equal(SharedTokens, sequences[question].CachedTokens);
            answers[question].AssertEquals(alone[question], 1e-3, $"question {question}");
        }

        shared.Release();
        AssertBalanced(engine, 1);
    }

    // Who builds it ends in the middle; somebody else goes on.
    [Fact]
    public void WhoeverWaitsGoesOnWithAnIndexThatItsBuilderLeft()
    {
        var alone = Alone(1);
        using var engine = new Engine(_model, Options with { BatchTokens = 16 });
        var shared = Compute(engine);
        Sequence[] both = [Question(shared, 0), Question(shared, 1)];
        foreach (var one in both)
            engine.Submit(one);
        var before = _counted.RowsBuilt;
        while (_counted.RowsBuilt < before + (2 * 16 * 16))
            Assert.True(engine.Step());
        both[0].Cancel();
        while (engine.Step())
            engine.Verify();
        Assert.Equal((FinishReason.Cancelled, FinishReason.Length), (both[0].Finish, both[1].Finish));
        Generation.Read(both[1]).AssertEquals(alone, 1e-3, "whoever went on");
        shared.Release();
        AssertBalanced(engine, 1);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(true, "end")]
    [InlineData(true, "cancel")]
    [InlineData(false, "end")]
    [InlineData(false, "cancel")]
    public void MemoryComesBackInEveryOrder(bool releasesFirst, string end)
    {
        using var engine = new Engine(_model, Options with { BatchTokens = 16 });
        var shared = Compute(engine);
        for (var steps = 1; steps < 40; steps += 3)
        {
            var question = Question(shared, 0);
            engine.Submit(question);
            for (var step = 0; step < steps; step++)
                engine.Step();
            if (releasesFirst)
                shared.Release();
            engine.Verify();
            if (end == "cancel")
                question.Cancel();
            while (engine.Step())
                engine.Verify();
            Assert.Equal(SharedTokens, question.CachedTokens);
            shared.Release();
            AssertBalanced(engine, 1);
            shared = Compute(engine);
        }
    }

    [Fact]
    public void AnIndexThatNobodyUsesGivesWay()
    {
        using var roomy = new Engine(_model, Options);
        var alone = Generation.Run(roomy, Prompt(0), Generation.Greedy(60));
        // Beside the shared rows and their index there is no room for another prompt's pages.
        var (page, shape) = (roomy.Plan.KvBytesPerToken * 32, _model.Config.Attention);
        using var engine = new Engine(_model, Options with { KvMemoryBytes = Bytes(_counted) + (24 * page) });
        var shared = Compute(engine);
        Ask(engine, shared, 0);
        Assert.Equal(Bytes(_counted), engine.Memory.IndexBytes);
        Generation.RunAll(engine, [(Prompt(0), Generation.Greedy(60)), (Prompt(1), Generation.Greedy(60))])[0].AssertEquals(alone, 1e-3, "in its place");
        Assert.Equal((0, SharedTokens), (engine.Memory.IndexBytes, shared.RowCount));
        shared.Release();
        engine.Step();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    private static CountedPolicy Policy(int segment) => new(PolicyCatalog.Parse($"magicpig:bits=6,tables=40,segment={segment},sinks=4,recent=8,min-context=0"));

    private long Bytes(AttentionPolicy policy) =>
        policy.SharedIndexBytes(_model.Config.Attention) + policy.PrefixBytesAt(_model.Config.Attention, SharedTokens);

    // Nothing is left but the planes of so many policies.
    private void AssertBalanced(Engine engine, int policies)
    {
        engine.Step();
        engine.Verify();
        Assert.Equal((0, policies * _counted.SharedIndexBytes(_model.Config.Attention)), (engine.KvBytesInUse, engine.Memory.IndexBytes));
    }

    private Generation Alone(int question)
    {
        using var engine = new Engine(_model, Options);
        var shared = Compute(engine);
        var answer = Ask(engine, shared, question);
        shared.Release();
        return answer;
    }

    private SharedPrompt Compute(Engine engine)
    {
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Generation.Run(engine, _text[..SharedTokens], Generation.Greedy(1), shared);
        return shared;
    }

    private Generation Ask(Engine engine, SharedPrompt shared, int question) => Generation.RunAll(engine, [Question(shared, question)])[0];

    private Sequence Question(SharedPrompt shared, int question) =>
        new(Prompt(question), Generation.Greedy(20) with { Attention = _counted }) { Shared = shared };

    // The third has so many tokens of its own that they are hashed with its prompt.
    private int[] Prompt(int question) => [.. _text[..SharedTokens], .. _text[(7 * question)..((8 * question) + (question == 2 ? 110 : 30))]];
}
