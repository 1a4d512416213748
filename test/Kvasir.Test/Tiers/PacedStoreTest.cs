using System.Diagnostics;
using Kvasir.Kernels.Memory;
using Kvasir.Tiers;

namespace Kvasir.Test.Tiers;

public sealed class PacedStoreTest
{
    private const int PageBytes = 8192;

    // It may take longer on a busy machine, and never less.
    [Theory]
    [InlineData(1000, 1e9, 0, 1, 20, 19)]
    [InlineData(1e6, 8192 * 500.0, 0, 2, 8, 28)]
    [InlineData(1e6, 1e12, 3000, 1, 4, 11)]
    public void ReadsTakeWhatThePaceSays(double reads, double bytes, double latencyUs, int pagesOfRead, int count, int leastMs)
    {
        using var store = new PacedStore(PageBytes, 64 * PageBytes, new ReadPace(reads, bytes, latencyUs));
        using var memory = new NativeBuffer(pagesOfRead * PageBytes);
        store.Write(0, memory.View);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < count; i++)
            store.Read(0, memory.View);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, leastMs, 10_000);
    }

    [Fact]
    public void PagesComeAsTheyWereWritten()
    {
        using var store = new PacedStore(PageBytes - 100, 5000L * PageBytes, new ReadPace(1e9, 1e12, 0));
        Assert.Equal((PageBytes, 5000), (store.PageBytes, store.PageCount));
        using var memory = new NativeBuffer(2 * PageBytes);
        foreach (var page in (int[])[0, 2046, 4998])
        {
            memory.Span<int>(2 * PageBytes / sizeof(int)).Fill(page + 1);
            store.Write(page, memory.View);
        }

        foreach (var page in (int[])[4998, 0, 2046])
        {
            Assert.True(store.RunFrom(page) >= 2);
            store.Read(page, memory.View);
            Assert.All(memory.Span<int>(2 * PageBytes / sizeof(int)).ToArray(), value => Assert.Equal(page + 1, value));
        }

        Assert.Throws<IOException>(() => store.Read(3000, memory.View));
    }

    [Fact]
    public void AnEngineOverAPaceAnswersAsInMemory()
    {
        using var model = Generation.LoadStories();
        int[] prompt = [1, .. Enumerable.Range(0, 150).Select(static i => 300 + (i % 40))];
        var options = new EngineOptions { Threads = 1, KvMemoryBytes = 8 << 20, ContextTokens = 256 };
        using var memory = new Engine(model, options);
        using var paced = new Engine(model, options with { KvMemoryBytes = 160 << 10, KvDiskBytes = 8 << 20, KvPace = new ReadPace(50_000, 1e9, 10) });
        var (expected, answer) = (Answer(memory), Answer(paced));
        Assert.Equal(expected, answer);
        Assert.True(paced.Figures.KvFiles!.Value.Reads > 50);

        int[] Answer(Engine engine)
        {
            var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = 20, Sampling = new SamplingOptions { Temperature = 0 }, IgnoreEnd = true });
            engine.Submit(sequence);
            while (engine.Step())
                Assert.Null(sequence.Failure);
            return sequence.Tokens.ToArray();
        }
    }
}
