using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Batches;

/// <summary>Sequences of different policies, which come and go while others compute, give what each gives alone.</summary>
public sealed class MixedBatchTest : IDisposable
{
    private static readonly EngineOptions Exact = new() { Threads = 2, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20, BatchTokens = 48, MaxSequences = 9 };

    private static readonly string[] Policies =
    [
        "dense",
        "magicpig:bits=4,tables=12,sinks=3,recent=5,dense-layers=none,min-context=0",
        "psa:block=4,group=2,coverage=0.6,sinks=3,recent=5,min-context=0",
        "streaming:sinks=2,recent=9,dense-layers=1,min-context=0",
        "h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0",
        "alisa:ratio=0.4,observed=20,min-context=0",
        "psa:block=4,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0",
        "psa:unit=layer",
        "topk:share=0.1,sinks=2,recent=4,min-context=0",
    ];

    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(3, Traits = ["Needs", "Seconds"])]
    public void EachGivesWhatItGivesAlone(int shift)
    {
        var alone = Policies.Select((_, i) => Generation.Run(_model, Exact, Prompt(i, shift), Options(i))).ToArray();
        using var engine = new Engine(_model, Exact);
        var together = Generation.RunAll(engine, Policies.Select((_, i) => (Prompt(i, shift), Options(i))));
        for (var i = 0; i < Policies.Length; i++)
            together[i].AssertEquals(alone[i], 1e-4, $"{Policies[i]} among others");
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    [Trait("Needs", "Seconds")]
    public void SoItDoesAmongOthersOfItsOwnPolicy()
    {
        using var engine = new Engine(_model, Exact);
        // Of one policy, two sequences with other prompts and a third that begins when the first is half done.
        foreach (var i in new[] { 1, 2, 5 })
        {
            var sequences = new[] { 0, 4, 0 }.Select(shift => new Sequence(Prompt(i, shift), Options(i))).ToArray();
            engine.Submit(sequences[0]);
            engine.Submit(sequences[1]);
            for (var step = 0; step < 8; step++)
                engine.Step();
            engine.Submit(sequences[2]);
            while (engine.Step())
                engine.Verify();
            var (first, other, late) = (Generation.Read(sequences[0]), Generation.Read(sequences[1]), Generation.Read(sequences[2]));
            first.AssertEquals(Generation.Run(_model, Exact, Prompt(i, 0), Options(i)), 1e-4, Policies[i]);
            other.AssertEquals(Generation.Run(_model, Exact, Prompt(i, 4), Options(i)), 1e-4, Policies[i]);
            late.AssertEquals(first, 1e-4, $"{Policies[i]}, late");
        }
    }

    private static GenerationOptions Options(int index) => Generation.Greedy(12 + (5 * index % 17)) with { Attention = PolicyCatalog.Parse(Policies[index]) };

    private int[] Prompt(int index, int shift) =>
        _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..(60 + (37 * (index + shift) % 90))];
}
