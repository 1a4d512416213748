using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Support;

namespace Kvasir.Test.Requests;

/// <summary>Hidden states of a sequence's tokens: what an engine tells, against loops in double precision.</summary>
public sealed class HiddenStatesTest
{
    private const string Text = "Once upon a time there was a little girl named Lily who had a dog and a cat. They played with a big red ball in the park until the sun went down.";

    [Theory]
    [InlineData(8)]
    [InlineData(512)]
    public void TheyAreThoseOfAPlainForwardPassHoweverThePromptIsCut(int batchTokens)
    {
        using var model = Model.Load(TestModels.StoriesGguf, TestModels.AsStored);
        var prompt = model.Tokenizer.Encode(Text);
        var expected = new GoldenLogitsForward(model.Config, model.Weights).Hidden(prompt);
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, BatchTokens = batchTokens, MaxSequences = 4 });
        var states = new List<float[]>();
        var pool = new MeanState(model.Config.Width);
        var sequence = Computed(engine, prompt, (position, state) =>
        {
            Assert.Equal(states.Count, position);
            states.Add(state.ToArray());
            pool.Add(position, state);
        });
        Assert.Equal((prompt.Length, 0, FinishReason.Length), (states.Count, sequence.GeneratedCount, sequence.Finish));
        var most = expected.Max(static row => row.Max(Math.Abs));
        for (var i = 0; i < states.Count; i++)
            Assert.True(states[i].Zip(expected[i], static (x, y) => Math.Abs(x - y)).Max() < 2e-3 * most, $"token {i} of {states.Count}");
        var mean = Enumerable.Range(0, model.Config.Width).Select(c => expected.Average(row => (double)row[c])).ToArray();
        var length = Math.Sqrt(mean.Sum(static value => value * value));
        Assert.All(pool.Unit().Zip(mean), pair => Assert.Equal(pair.Second / length, pair.First, 1e-3));
    }

    [Fact]
    public void NoRowIsTakenFromTheCacheWhereItsStateIsWanted()
    {
        using var model = Model.Load(TestModels.StoriesGguf);
        using var engine = new Engine(model, new EngineOptions { Threads = 1, PrefixCache = true });
        var prompt = model.Tokenizer.Encode($"{Text} {Text}");
        Assert.True(prompt.Length > 64);
        for (var i = 0; i < 2; i++)
        {
            var told = 0;
            var sequence = Computed(engine, prompt, (_, _) => told++);
            Assert.Equal((prompt.Length, 0), (told, sequence.CachedTokens));
        }
    }

    [Fact]
    public void AnObserverThatThrowsEndsItsOwnSequence()
    {
        using var model = Model.Load(TestModels.StoriesGguf);
        using var engine = new Engine(model, new EngineOptions { Threads = 1 });
        var prompt = model.Tokenizer.Encode(Text);
        var other = new Sequence(prompt, new GenerationOptions { MaxTokens = 4 });
        var faulty = new Sequence(prompt, new GenerationOptions { MaxTokens = 0, Hidden = static (_, _) => throw new InvalidTimeZoneException() });
        engine.Submit(other);
        engine.Submit(faulty);
        while (engine.Step())
        {
            // To the end of both.
        }

        Assert.Equal((FinishReason.Failed, FinishReason.Length, 4), (faulty.Finish, other.Finish, other.GeneratedCount));
        engine.Verify();
    }

    private static Sequence Computed(Engine engine, int[] prompt, HiddenObserver observer)
    {
        var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = 0, Hidden = observer });
        engine.Submit(sequence);
        while (engine.Step())
        {
            // To its end.
        }

        Assert.Null(sequence.Failure);
        return sequence;
    }
}
