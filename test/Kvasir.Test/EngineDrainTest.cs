using Kvasir.Attention.Batches;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models;
using Kvasir.Test.Requests.Scheduling;

namespace Kvasir.Test;

/// <summary>How a loop drains, and what it says of itself.</summary>
public sealed class EngineDrainTest : IDisposable
{
    private readonly Model _model = Generation.LoadStories();

    private EngineOptions Options => new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, ContextTokens = 100_000 };

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task ADrainAnswersAllThatThereIsAndRefusesWhatComes()
    {
        using var loop = new EngineLoop(new Engine(_model, Options with { MaxSequences = 1 }));
        Sequence[] sequences = [.. Enumerable.Range(0, 3).Select(i => new Sequence([1, 300 + i], Generation.Greedy(40)))];
        foreach (var sequence in sequences)
            await loop.SubmitAsync(sequence);
        var drained = loop.DrainAsync(Timeout.InfiniteTimeSpan);
        Assert.Equal(EngineState.Draining, loop.State);
        Assert.Equal(KvasirError.Draining, (await Assert.ThrowsAsync<KvasirException>(() => loop.SubmitAsync(new Sequence([1], Generation.Greedy(1))))).Error);
        await drained;
        Assert.All(sequences, sequence => Assert.Equal((FinishReason.Length, 40), (sequence.Finish, sequence.GeneratedCount)));
    }

    [Fact]
    public async Task WhatIsLeftWhenTheTimeIsOverEndsWithAnError()
    {
        using var loop = new EngineLoop(new Engine(_model, Options with { MaxSequences = 1 }));
        var (running, waiting) = await EndlessAnswers(loop);
        await loop.DrainAsync(TimeSpan.FromMilliseconds(50));
        AssertDrained(loop, running, waiting);
    }

    [Fact]
    public async Task AskedAgainADrainEndsAtOnce()
    {
        using var loop = new EngineLoop(new Engine(_model, Options with { MaxSequences = 1 }));
        var (running, waiting) = await EndlessAnswers(loop);
        var drained = loop.DrainAsync(Timeout.InfiniteTimeSpan);
        Assert.False(drained.IsCompleted);
        await loop.DrainAsync(Timeout.InfiniteTimeSpan);
        await drained;
        AssertDrained(loop, running, waiting);
    }

    [Fact]
    public async Task ALoopWithNothingToDoIsDrainedAtOnce()
    {
        var loop = new EngineLoop(new Engine(_model, Options));
        Assert.Equal(EngineState.Serving, loop.State);
        await loop.DrainAsync(TimeSpan.FromDays(1));
        loop.Dispose();
        Assert.Equal(EngineState.Closed, loop.State);
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = loop.DrainAsync(TimeSpan.FromSeconds(-3)); });
    }

    [Theory]
    [InlineData(29, EngineState.Failing)]
    [InlineData(31, EngineState.Serving)]
    public async Task ThreeStepsThatFailWithinAMinuteAreAState(int secondsBetween, EngineState expected)
    {
        var time = new VirtualTime();
        using var loop = new EngineLoop(new Engine(_model, Options with { Time = time }));
        for (var fault = 0; fault < 3; fault++)
        {
            Assert.Equal(EngineState.Serving, loop.State);
            Capture(loop, (_, _, _) => throw new InvalidTimeZoneException());
            var sequence = new Sequence([1, 300], Generation.Greedy(3));
            await loop.SubmitAsync(sequence);
            Assert.Equal(KvasirError.Fault, (await Assert.ThrowsAsync<KvasirException>(() => ReadAll(sequence))).Error);
            Capture(loop, null);
            time.Advance(TimeSpan.FromSeconds(secondsBetween));
        }

        Assert.Equal((expected, 3L), (loop.State, loop.Engine.Figures.StepFaults));
    }

    private static void Capture(EngineLoop loop, LayerCapture? capture)
    {
        using var use = loop.Engine.Use();
        use.Pass.Capture = capture;
    }

    private static async Task<int> ReadAll(Sequence sequence)
    {
        var count = 0;
        await foreach (var _ in sequence.ReadAllAsync())
            count++;
        return count;
    }

    private static void AssertDrained(EngineLoop loop, Sequence running, Sequence waiting)
    {
        Assert.Equal((KvasirError.Draining, KvasirError.Draining), (running.Failure!.Error, waiting.Failure!.Error));
        Assert.True(running.GeneratedCount > 0);
        Assert.Equal((0, 0, 0L), (waiting.GeneratedCount, loop.Engine.RunningCount, loop.Engine.KvBytesInUse));
    }

    private static async Task<(Sequence Running, Sequence Waiting)> EndlessAnswers(EngineLoop loop)
    {
        var (running, waiting) = (new Sequence([1, 300], Generation.Greedy(90_000)), new Sequence([1, 301], Generation.Greedy(90_000)));
        await loop.SubmitAsync(running);
        await loop.SubmitAsync(waiting);
        await foreach (var _ in running.ReadAllAsync())
            break;
        return (running, waiting);
    }
}
