using Kvasir.Kernels.Attention.Formats;
using Kvasir.Synthetic;

namespace Kvasir.Test.Requests;

/// <summary>What conversations leave behind in a process that does nothing else meanwhile: objects are counted for all of it.</summary>
[Collection(nameof(FlatMemoryTest))]
[CollectionDefinition(nameof(FlatMemoryTest), DisableParallelization = true)]
public sealed class FlatMemoryTest
{
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 1 << 20, BatchTokens = 512, MaxSequences = 16, PrefixCache = true };

    [Fact]
    [Trait("Needs", "Minutes")]
    public void MemoryIsFlatOverTenThousandShortConversations()
    {
        var tiny = SyntheticShape.Parse("tiny:1");
        var rope = tiny.Config.Rope with { Dim = 32 };
        using var model = Model.Synthetic(tiny with { Config = tiny.Config with { Width = 64, FeedForwardWidth = 64, HeadCount = 2, KvHeadCount = 1, HeadDim = 32, VocabularySize = 256, Rope = rope } }, SyntheticWeights.BF16);
        using var engine = new Engine(model, Options);
        var random = new Random(7);
        var (managed, resident) = (0L, 0L);
        for (var turn = 0; turn < 10_000; turn++)
        {
            var prompt = Enumerable.Range(0, random.Next(20, 60)).Select(_ => random.Next(200)).ToArray();
            engine.Submit(new Sequence(prompt, Generation.Greedy(2)));
            if (turn % 16 == 15)
                Drain(engine);
            if (turn is 2500 or 9_999)
            {
                Drain(engine);
                var (now, pages) = (GC.GetTotalMemory(forceFullCollection: true), engine.KvBytesInUse);
                Assert.True(managed == 0 || (now <= managed * 1.1 && pages <= resident * 1.1), $"{managed} then {now} bytes of objects, {resident} then {pages} of pages");
                (managed, resident) = (now, pages);
            }
        }
    }

    private static void Drain(Engine engine)
    {
        while (engine.Step())
        {
        }

        engine.Verify();
    }
}
