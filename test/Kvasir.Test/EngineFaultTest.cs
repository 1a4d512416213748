using System.Collections;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test;

/// <summary>What a request, an observer or a policy throws ends that request alone.</summary>
public sealed class EngineFaultTest : IDisposable
{
    // The model has five layers of four KV heads.
    private const int HeadCount = 20;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
    private readonly Model _model = Generation.LoadStories();

    public static TheoryData<string, int, int> Places
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (var place in new[] { "CreateSelector", "NoSelector", "Append", "EndPrompt", "ReadsEveryRow", "Select", "Consider", "Reweight", "Weighed", "Observe", "Dispose" })
            {
                data.Add(place, 1, 0);
                data.Add(place, 2, 0);
                if (place is not ("CreateSelector" or "NoSelector" or "EndPrompt"))
                    data.Add(place, 2, 55);
            }

            return data;
        }
    }

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Places))]
    public void APolicyThatThrowsEndsItsSequenceAlone(string place, int threads, int fromRow)
    {
        using var engine = new Engine(_model, Exact with { Threads = threads });
        var sequences = Neighbours(40);
        var faulty = new Sequence(Prompt(40), Generation.Greedy(30) with { Attention = new FaultyPolicy(place, fromRow) });
        var answers = Generation.RunAll(engine, [sequences[0], faulty, sequences[1]]);
        Assert.Equal(FinishReason.Failed, faulty.Finish);
        Assert.Equal(KvasirError.Fault, faulty.Failure!.Error);
        if (place == "NoSelector")
            Assert.Contains("made no selector for layer 2, KV head 0", Assert.IsType<InvalidOperationException>(faulty.Failure.InnerException).Message, StringComparison.Ordinal);
        else
            Assert.Equal($"at {place}", Assert.IsType<InvalidTimeZoneException>(faulty.Failure.InnerException).Message);
        AssertServes(engine, answers[0], answers[2]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    public void AnObserverThatThrowsEndsItsSequenceAlone(int at)
    {
        foreach (var thrown in new Exception[] { new InvalidTimeZoneException("boom"), new InsufficientMemoryException("boom"), new KvasirException(KvasirError.QueueFull, "boom") })
        {
            using var engine = new Engine(_model, Exact);
            var sequences = Neighbours(40);
            var faulty = new Sequence(Prompt(40), Generation.Greedy(30) with { Logits = (index, _) => Throw(index == at ? thrown : null) });
            var answers = Generation.RunAll(engine, [sequences[0], faulty, sequences[1]]);
            Assert.Equal((FinishReason.Failed, at), (faulty.Finish, faulty.GeneratedCount));
            Assert.Same(thrown, thrown is KvasirException ? faulty.Failure : faulty.Failure!.InnerException);
            AssertServes(engine, answers[0], answers[2]);
        }
    }

    // Six pages a head; three sequences of 50 + 60 tokens want four each, so that two of them are preempted and come again.
    [Theory]
    [InlineData("Dispose", 70)]
    [InlineData("Append", 90)]
    [InlineData("Select", 90)]
    [InlineData("CreateSelector", 0)]
    public void AFaultAmongPreemptedSequencesLeavesTheOthers(string place, int fromRow)
    {
        var tight = Exact with { KvMemoryBytes = 6 * HeadCount * 2 * 32 * RowCodec.F32.RowBytes(8), MaxSequences = 3 };
        using var engine = new Engine(_model, tight);
        Sequence[] sequences = [.. Enumerable.Range(0, 3).Select(i => new Sequence(Prompt(50 - i), i == 2 ? Generation.Greedy(60) with { Attention = new FaultyPolicy(place, fromRow) } : Generation.Greedy(60)))];
        var answers = Generation.RunAll(engine, sequences);
        Assert.Equal(FinishReason.Failed, sequences[2].Finish);
        for (var i = 0; i < 2; i++)
            answers[i].AssertEquals(Generation.Run(_model, Exact, Prompt(50 - i), Generation.Greedy(60)), 1e-3, $"{place}, member {i}");
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void AFaultBehindASharedPromptLeavesNothingThatIsWrong()
    {
        using var engine = new Engine(_model, Exact);
        var prompt = Prompt(80);
        var alone = Generation.Run(engine, prompt, Generation.Greedy(20));
        var shared = new SharedPrompt(prompt.AsSpan(0, 64));
        foreach (var place in new[] { "none", "Append", "none", "Select", "Dispose", "none" })
        {
            Generation.Run(engine, prompt, Generation.Greedy(20) with { Attention = new FaultyPolicy(place, 85) }, shared);
            Generation.Run(engine, prompt, Generation.Greedy(20), shared).AssertEquals(alone, 1e-4, $"after {place}");
            Assert.Equal(64, shared.RowCount);
        }

        using var other = new Engine(_model, Exact);
        var refusal = Assert.Throws<KvasirException>(() => other.Submit(new Sequence(prompt, Generation.Greedy(2)) { Shared = shared }));
        Assert.Contains("another engine's memory", refusal.Message, StringComparison.Ordinal);
        shared.Release();
        engine.Step();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    // What throws where all share the work: nobody knows whose fault it is.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AFaultOfTheSharedPassEndsThoseInItAndNoOther(bool isMemory)
    {
        Exception thrown = isMemory ? new InsufficientMemoryException() : new InvalidTimeZoneException();
        using var engine = new Engine(_model, Exact with { MaxSequences = 2 });
        var sequences = Neighbours(40);
        var waiting = new Sequence(Prompt(45), Generation.Greedy(20));
        foreach (var sequence in (Sequence[])[.. sequences, waiting])
            engine.Submit(sequence);
        engine.Step();
        using var use = engine.Use();
        use.Pass.Capture = (_, layer, _) => Throw(layer == 2 ? thrown : null);
        Assert.True(engine.Step());
        use.Pass.Capture = null;
        Assert.All(sequences, sequence => Assert.Same(thrown, sequence.Failure!.InnerException));
        engine.Verify();
        while (engine.Step())
            engine.Verify();
        Assert.Equal((FinishReason.Length, 0L), (waiting.Finish, engine.KvBytesInUse));
        AssertServes(engine);
    }

    [Fact]
    public void NothingThatWasComputedBeforeOutlastsAFaultOfTheSharedPass()
    {
        using var engine = new Engine(_model, Exact with { PrefixCache = true });
        var pin = new PrefixPin();
        var first = Generation.RunAll(engine, [new Sequence(Prompt(100), Options(0)) { Pin = pin }])[0];
        Assert.True(engine.Prefixes.Tokens > 0 && pin.TokenCount > 0);
        Break(engine, static _ => { });
        Assert.Equal((0L, 0L, true), (engine.Prefixes.Tokens, engine.KvBytesInUse, pin.IsReleased));
        Generation.Run(engine, Prompt(100), Options(0)).AssertEquals(first, 0, "computed again");
    }

    [Fact]
    public void ASharedPromptIsComputedAndKeptAgainAfterAFaultOfTheSharedPass()
    {
        using var engine = new Engine(_model, Exact);
        var shared = new SharedPrompt(Prompt(100).AsSpan(0, 64));
        var first = Generation.Run(engine, Prompt(100), Options(0), shared);
        Assert.Equal(64, shared.RowCount);
        Break(engine, static _ => { });
        Assert.Equal((0, 0L), (shared.RowCount, engine.KvBytesInUse));
        var again = Generation.Run(engine, Prompt(100), Options(0), shared);
        again.AssertEquals(first, 0, "computed again");
        Assert.Equal((0, 64), (again.Sequence.CachedTokens, shared.RowCount));
        shared.Release();
        engine.Step();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    // A page is free that its owner gives back once more: everybody is told nevertheless, who waits too.
    [Fact]
    public void EveryoneIsToldWhereTheCacheDoesNotBalance()
    {
        using var engine = new Engine(_model, Exact with { MaxSequences = 2 });
        var waiting = new Sequence(Prompt(45), Generation.Greedy(20));
        var sequences = Break(engine, static pool => ReturnAny(pool), waiting);
        Assert.All(sequences, static sequence => Assert.Equal(FinishReason.Failed, sequence.Finish));
        Assert.Equal((FinishReason.Failed, KvasirError.Fault), (waiting.Finish, waiting.Failure!.Error));
        Assert.Equal((true, 0, 0), (engine.IsBroken, engine.RunningCount, engine.WaitingCount));
        Assert.Contains("cannot go on", Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(Prompt(5), Generation.Greedy(3)))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ARequestIsWhatItWasWhenItWasSubmitted()
    {
        var (stop, bias, given) = (new List<string> { "never" }, new Dictionary<int, float> { [5] = 1 }, _model.Tokenizer.Encode("Tom has a red ball."));
        GenerationOptions Options() => Generation.Greedy(20) with { Stop = stop, GivenTokens = given, Sampling = SamplingOptions.Greedy with { LogitBias = bias } };
        var expected = Generation.Run(_model, Exact, Prompt(40), Options());
        using var engine = new Engine(_model, Exact);
        var sequence = new Sequence(Prompt(40), Options());
        engine.Submit(sequence);
        stop[0] = null!;
        bias[100_000] = float.NaN;
        Array.Fill(given, int.MaxValue);
        while (engine.Step())
            engine.Verify();
        Generation.Read(sequence).AssertEquals(expected, 0, "changed after it was submitted");
    }

    [Theory]
    [InlineData("sampling is null")]
    [InlineData("list of stop strings is null")]
    [InlineData("stop string 1 of 2 is null")]
    [InlineData("logit bias is null")]
    [InlineData("99 stop strings")]
    [InlineData("logit bias of token 3 NaN")]
    [InlineData("logit bias of token 3 ∞")]
    [InlineData("max tokens -1")]
    [InlineData("top logprobs -1")]
    [InlineData("audit share NaN")]
    public void WhatIsWrongWithARequestIsSaidToWhoeverSubmitsIt(string message)
    {
        var options = message switch
        {
            "sampling is null" => new GenerationOptions { Sampling = null! },
            "list of stop strings is null" => new GenerationOptions { Stop = null! },
            "stop string 1 of 2 is null" => new GenerationOptions { Stop = ["a", null!] },
            "logit bias is null" => new GenerationOptions { Sampling = new SamplingOptions { LogitBias = null! } },
            "99 stop strings" => new GenerationOptions { Stop = new ThrowingList(99) },
            "logit bias of token 3 NaN" => new GenerationOptions { Sampling = new SamplingOptions { LogitBias = new Dictionary<int, float> { [3] = float.NaN } } },
            "logit bias of token 3 ∞" => new GenerationOptions { Sampling = new SamplingOptions { LogitBias = new Dictionary<int, float> { [3] = float.PositiveInfinity } } },
            "max tokens -1" => new GenerationOptions { MaxTokens = -1 },
            "top logprobs -1" => new GenerationOptions { TopLogprobs = -1 },
            _ => new GenerationOptions { AuditShare = double.NaN },
        };
        using var engine = new Engine(_model, Exact);
        var sequence = new Sequence(Prompt(5), options);
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var refusal = Assert.Throws<KvasirException>(() => engine.Submit(sequence));
            Assert.Equal(KvasirError.BadOption, refusal.Error);
            Assert.Contains(message.Replace("∞", float.PositiveInfinity.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal), refusal.Message, StringComparison.Ordinal);
        }

        Assert.False(engine.Step());
    }

    [Fact]
    public void AListThatThrowsThrowsWhereItIsSubmitted()
    {
        using var engine = new Engine(_model, Exact);
        Assert.Throws<InvalidTimeZoneException>(() => engine.Submit(new Sequence(Prompt(5), new GenerationOptions { Stop = new ThrowingList(2) })));
        Assert.Throws<ArgumentNullException>("sequence", () => engine.Submit(null!));
        AssertServes(engine);
    }

    [Fact]
    public void ASequenceIsSubmittedOnce()
    {
        using var engine = new Engine(_model, Exact with { Queue = new QueueLimits { Sequences = 1 } });
        var (first, second) = (new Sequence(Prompt(5), Generation.Greedy(3)), new Sequence(Prompt(6), Generation.Greedy(3)));
        engine.Submit(first);
        Assert.Contains("submitted before", Assert.Throws<KvasirException>(() => engine.Submit(first)).Message, StringComparison.Ordinal);
        // A full queue refuses what may come again.
        Assert.Equal(KvasirError.QueueFull, Assert.Throws<KvasirException>(() => engine.Submit(second)).Error);
        engine.Step();
        engine.Submit(second);
        while (engine.Step())
            engine.Verify();
        Assert.Equal((3, 3), (first.GeneratedCount, second.GeneratedCount));
        Assert.Contains("submitted before", Assert.Throws<KvasirException>(() => engine.Submit(first)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ACallbackDoesNotStepTheEngine()
    {
        using var engine = new Engine(_model, Exact);
        var sequence = new Sequence(Prompt(20), Generation.Greedy(5) with { Logits = (_, _) => engine.Step() });
        Generation.RunAll(engine, [sequence]);
        Assert.Contains("a step is in progress", Assert.IsType<InvalidOperationException>(sequence.Failure!.InnerException).Message, StringComparison.Ordinal);
        AssertServes(engine);
    }

    [Fact]
    public async Task TheLoopLivesWhateverARequestThrows()
    {
        using var loop = new EngineLoop(new Engine(_model, Exact));
        var expected = Generation.Run(_model, Exact, Prompt(40), Generation.Greedy(30));
        foreach (var place in new[] { "CreateSelector", "Append", "Select", "Dispose" })
        {
            var neighbour = new Sequence(Prompt(40), Generation.Greedy(30));
            await loop.SubmitAsync(neighbour);
            var faulty = new Sequence(Prompt(40), Generation.Greedy(30) with { Attention = new FaultyPolicy(place) });
            await loop.SubmitAsync(faulty);
            var observed = new Sequence(Prompt(40), Generation.Greedy(30) with { Logits = (_, _) => throw new InsufficientMemoryException() });
            await loop.SubmitAsync(observed);
            await Assert.ThrowsAsync<KvasirException>(() => loop.SubmitAsync(new Sequence(Prompt(40), new GenerationOptions { Stop = [null!] })));
            await Assert.ThrowsAsync<ArgumentNullException>("sequence", () => loop.SubmitAsync(null!));
            Assert.IsType<InvalidTimeZoneException>((await Assert.ThrowsAsync<KvasirException>(() => ReadAll(faulty))).InnerException);
            Assert.IsAssignableFrom<OutOfMemoryException>((await Assert.ThrowsAsync<KvasirException>(() => ReadAll(observed))).InnerException);
            Assert.Equal(expected.Tokens, await ReadAll(neighbour));
        }
    }

    // In the middle of a step of two.
    private Sequence[] Break(Engine engine, Action<PagePool> damage, Sequence? waiting = null)
    {
        var sequences = Neighbours(40);
        foreach (var sequence in (Sequence?[])[.. sequences, waiting])
        {
            if (sequence is not null)
                engine.Submit(sequence);
        }

        engine.Step();
        using var use = engine.Use();
        var (pass, pool) = (use.Pass, use.Pass.Cache.Pool);
        pass.Capture = (_, _, _) =>
        {
            pass.Capture = null;
            damage(pool);
            throw new InvalidTimeZoneException();
        };
        try
        {
            engine.Step();
        }
        catch (KvasirException)
        {
            Assert.True(engine.IsBroken);
        }

        return sequences;
    }

    private static void ReturnAny(PagePool pool)
    {
        for (var page = 0; ; page++)
        {
            try
            {
                pool.Return(page);
                return;
            }
            catch (System.Diagnostics.UnreachableException)
            {
                // Nobody's.
            }
        }
    }

    private static async Task<List<int>> ReadAll(Sequence sequence)
    {
        var tokens = new List<int>();
        await foreach (var piece in sequence.ReadAllAsync())
        {
            if (piece.Token >= 0)
                tokens.Add(piece.Token);
        }

        return tokens;
    }

    private static void Throw(Exception? exception)
    {
        if (exception is not null)
            throw exception;
    }

    // The neighbours have what they have alone, and so has whoever comes next.
    private void AssertServes(Engine engine, params Generation[] neighbours)
    {
        engine.Verify();
        Assert.Equal(0, engine.KvBytesInUse);
        for (var i = 0; i < neighbours.Length; i++)
            neighbours[i].AssertEquals(Generation.Run(_model, Exact, Prompt(40 + i), Options(i)), 1e-4, $"neighbour {i}");
        Generation.Run(engine, Prompt(41), Options(1)).AssertEquals(Generation.Run(_model, Exact, Prompt(41), Options(1)), 1e-4, "the next");
    }

    // One attends densely, one sparsely: what a fault left in a worker's scratch would change either.
    private Sequence[] Neighbours(int tokens) => [new Sequence(Prompt(tokens), Options(0)), new Sequence(Prompt(tokens + 1), Options(1))];

    private static GenerationOptions Options(int neighbour) =>
        Generation.Greedy(30) with { Attention = PolicyCatalog.Parse(neighbour == 0 ? "dense" : "streaming:sinks=2,recent=20,min-context=0"), AuditShare = neighbour };

    private int[] Prompt(int count) => _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 10)))[..count];

    private sealed class ThrowingList(int count) : IReadOnlyList<string>
    {
        public int Count => count;

        public string this[int index] => throw new InvalidTimeZoneException();

        public IEnumerator<string> GetEnumerator() => throw new InvalidTimeZoneException();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
