using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test;

public sealed class MemoryPlanTest
{
    // Of the objects themselves: a head has two of them.
    private const int ObjectBytes = 2 * 128;

    [Theory]
    [InlineData("f32", 64)]
    [InlineData("bf16", 64)]
    [InlineData("q8", 64)]
    [InlineData("int8", 64)]
    [InlineData("int8", 8)]
    [InlineData("int8-channel", 64)]
    [InlineData("int8-channel", 80)]
    public void PagesThatAreBeingWrittenTakeWhatIsPlanned(Kv type, int dim)
    {
        using var cache = new KvCache(type, layerCount: 3, kvHeadCount: 2, dim, 4 << 20);
        using var plain = new KvCache(KvFormat.F32, layerCount: 3, kvHeadCount: 2, dim, 4 << 20);
        var taken = Allocated(cache) - Allocated(plain);
        Assert.InRange(taken, cache.OpenPageBytes, cache.OpenPageBytes + (6 * ObjectBytes));
        Assert.Equal(((KvFormat)type).Keys.SealsPages, cache.OpenPageBytes > 0);

        static long Allocated(KvCache cache) => AllocatedBytes.Of(() => GC.KeepAlive(cache.Open(64)));
    }

    [Theory]
    [InlineData("bf16", 0)]
    [InlineData("int8", 1)]
    [InlineData("int8-channel", 2)]
    public void APlanCountsThemForASequence(Kv type, int pages)
    {
        using var model = Generation.LoadStories();
        using var engine = new Engine(model, new EngineOptions { Kv = type, Threads = 1, KvMemoryBytes = 2 << 20, MaxSequences = 3 });
        // Five layers of four KV heads; 32 rows and six more of what channels span, each of 32 floats.
        Assert.Equal(20 * pages * (32 + 6) * 32L * sizeof(float), engine.Plan.OpenPageBytes);
    }
}
