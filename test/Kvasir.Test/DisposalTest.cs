using Kvasir.Attention.Policies;
using Kvasir.Measurement;
using Kvasir.Test.Models;
using Kvasir.Text;
using Microsoft.Extensions.AI;

namespace Kvasir.Test;

/// <summary>Disposed in any order, at any time: whoever comes too late has an <see cref="ObjectDisposedException"/>, and nothing is read that is gone.</summary>
public sealed class DisposalTest
{
    private static readonly ChatTemplate Plain = ChatTemplate.Parse("{{ bos_token }}{{ messages[-1].content }}", "plain");
    private static readonly EngineOptions Small = new() { Threads = 2, KvMemoryBytes = 8 << 20 };
    private static readonly GenerationOptions Endless = new() { IgnoreEnd = true, Sampling = SamplingOptions.Greedy };

    // Weights stay where the file is mapped, so that reading them too late would be a fault of the process.
    private static Model Mapped() => Model.Load("stories260K", TestModels.AsStored);

    [Fact]
    public void AModelDisposedBeforeItsEngineEndsWhatIsUnderWay()
    {
        var model = Mapped();
        using var engine = new Engine(model, Small);
        var (running, waiting) = (new Sequence([1, 2, 3], Endless), new Sequence([1, 2, 3], Endless));
        engine.Submit(running);
        engine.Step();
        engine.Submit(waiting);
        model.Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => engine.Step());
        Assert.All([running, waiting], sequence => AssertClosed(sequence, "model"));
        Assert.Throws<ObjectDisposedException>(() => engine.Submit(new Sequence([1], Endless)));
        Assert.Throws<ObjectDisposedException>(() => engine.Step());
        Assert.Throws<ObjectDisposedException>(() => new Engine(model, Small));
        Assert.Throws<ObjectDisposedException>(() => model.Weights.Embedding);
        Assert.Throws<ObjectDisposedException>(() => model.Weights.Output);
        Assert.Throws<ObjectDisposedException>(() => model.Weights.Layers);
        Assert.Throws<ObjectDisposedException>(model.Weights.ReadAhead);
        Assert.Equal(0, engine.KvBytesInUse);
        engine.Verify();
        // What is no part of the files stays.
        Assert.Equal("Once", model.Tokenizer.Decode(model.Tokenizer.Encode("Once")));
    }

    [Fact]
    public void AnEngineDisposedBeforeItsSequencesEndsThem()
    {
        using var model = Mapped();
        var engine = new Engine(model, Small);
        var sequence = new Sequence([1, 2, 3], Endless);
        engine.Submit(sequence);
        engine.Step();
        engine.Dispose();
        engine.Dispose();
        AssertClosed(sequence, "engine");
        Assert.Throws<ObjectDisposedException>(() => engine.Step());
        Assert.Throws<ObjectDisposedException>(() => engine.Submit(new Sequence([1], Endless)));
        using var next = new Engine(model, Small);
        Assert.Equal(4, Generation.Run(next, [1, 2, 3], Generation.Greedy(4)).Tokens.Length);
    }

    [Fact]
    public void ACallbackMayDisposeEngineAndModel()
    {
        foreach (var disposesModel in new[] { true, false })
        {
            var model = Mapped();
            var engine = new Engine(model, Small);
            var sequence = new Sequence([1, 2, 3], Endless with { Logits = (index, _) => ((IDisposable)(index < 3 ? new MemoryStream() : disposesModel ? model : engine)).Dispose() });
            engine.Submit(sequence);
            Assert.Throws<ObjectDisposedException>(() => StepToTheEnd(engine));
            AssertClosed(sequence, disposesModel ? "model" : "engine");
            Assert.Equal(4, sequence.GeneratedCount);
            engine.Dispose();
            model.Dispose();
        }
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AnotherThreadMayDisposeAtAnyTime(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 25; round++)
        {
            var model = Mapped();
            var engine = new Engine(model, Small with { BatchTokens = 16 });
            var sequence = new Sequence(model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom has a red ball. ", 30))), Endless);
            engine.Submit(sequence);
            var stepping = Task.Run(() => Assert.Throws<ObjectDisposedException>(() => StepToTheEnd(engine)));
            var rows = random.Next(200);
            SpinWait.SpinUntil(() => sequence.CachedCount >= rows || stepping.IsCompleted);
            IDisposable[] order = random.Next(2) == 0 ? [model, engine] : [engine, model];
            foreach (var one in order)
                one.Dispose();
            await stepping;
            Assert.True(sequence.Finish == FinishReason.Failed, $"seed {seed}, round {round}: {sequence.Finish}");
        }
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ClientsThatStreamAreTold(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 12; round++)
        {
            using var model = Mapped();
            using var client = new KvasirChatClient(model, Small with { MaxSequences = 2 }, Plain);
            var streams = Enumerable.Range(0, 4).Select(_ => Task.Run(() => Stream(client))).ToArray();
            SpinWait.SpinUntil(() => client.GetService<Engine>()!.RunningCount > 0);
            IDisposable gone = random.Next(3) switch { 0 => model, 1 => client, _ => client.GetService<Engine>()! };
            gone.Dispose();
            foreach (var stream in streams)
                await Assert.ThrowsAsync<ObjectDisposedException>(() => stream);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("x"));
            await Assert.ThrowsAsync<ObjectDisposedException>(() => Stream(client));
        }
    }

    [Fact]
    public async Task ALoopIsDisposedTwiceAndFromItsOwnThread()
    {
        using var model = Mapped();
        var loop = new EngineLoop(new Engine(model, Small));
        var sequence = new Sequence([1, 2, 3], Endless with { Logits = (index, _) => ((IDisposable)(index < 3 ? new MemoryStream() : loop)).Dispose() });
        await loop.SubmitAsync(sequence);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            await foreach (var _ in sequence.ReadAllAsync())
            {
            }
        });
        loop.Dispose();
        loop.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => loop.SubmitAsync(new Sequence([1], Endless)));
    }

    [Fact]
    public void ProbesOfWhatIsGoneSaySo()
    {
        foreach (var disposesModel in new[] { true, false })
        {
            using var model = Mapped();
            using var engine = new Engine(model, Small);
            using var probe = new EngineProbe(engine, PolicyCatalog.Parse("psa"), 64, 1);
            probe.FillRandom(20);
            probe.Decode(1, 2);
            (disposesModel ? (IDisposable)model : engine).Dispose();
            Assert.Throws<ObjectDisposedException>(() => probe.Decode(1, 2));
            Assert.Throws<ObjectDisposedException>(() => probe.Prefill(4));
            Assert.Throws<ObjectDisposedException>(() => probe.FillRandom(20));
            Assert.Throws<ObjectDisposedException>(() => probe.FillByPrefill(20));
            Assert.Throws<ObjectDisposedException>(() => new AttentionProbe(engine, [PolicyCatalog.Parse("psa")], 4).Run([1, 2, 3, 4, 5, 6]));
            Assert.Throws<ObjectDisposedException>(() => KeyCalibration.Run(engine, [1, 2, 3], "never"));
            Assert.Throws<ObjectDisposedException>(() => probe.Logits.Length);
        }
    }

    [Fact]
    public void APoolIsDisposedTwice()
    {
        var pool = new WorkerPool(3);
        pool.Dispose();
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pool.Run(new NoJob(), 4));
    }

    private static void StepToTheEnd(Engine engine)
    {
        while (engine.Step())
        {
        }
    }

    private static async Task Stream(KvasirChatClient client)
    {
        await foreach (var _ in client.GetStreamingResponseAsync("Once upon a time", new ChatOptions { Temperature = 0, TopK = 0, AdditionalProperties = new() }))
        {
        }
    }

    private static void AssertClosed(Sequence sequence, string what)
    {
        Assert.Equal(FinishReason.Failed, sequence.Finish);
        Assert.Equal(KvasirError.Closed, sequence.Failure!.Error);
        Assert.IsType<ObjectDisposedException>(sequence.Failure.InnerException);
        Assert.Contains(what, sequence.Failure.Message, StringComparison.Ordinal);
    }

    private sealed class NoJob : ParallelJob
    {
        public override void Execute(int item, int worker)
        {
        }
    }
}
