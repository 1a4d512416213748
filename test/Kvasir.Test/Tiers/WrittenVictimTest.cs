using Kvasir.Kernels.Attention.Formats;
using Kvasir.Tiers;

namespace Kvasir.Test.Tiers;

/// <summary>One that gives way with a long prompt is written out first, where reading it again takes less than half of what computing it does.</summary>
public sealed class WrittenVictimTest : IDisposable
{
    private const int LongTokens = 4200;
    private const long TokenBytes = 5124;
    private readonly TempFolder _temp = new();
    private readonly Model _model = Generation.LoadStories();

    public void Dispose()
    {
        _model.Dispose();
        _temp.Dispose();
    }

    // The clock goes on by so much with every look of the engine's thread until somebody gives way, and stands then: a row takes as long on every machine, and
    // nobody loses patience. Where it always stands, rows take no time to compute, and none are worth a disk.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(2, true)]
    [InlineData(0, false)]
    public void RowsOfOneThatGaveWayAreReadAndNotComputedAgain(int tickMs, bool isWritten)
    {
        var clock = new LookedAtClock { TickMs = tickMs };
        using var store = DiskPrefixStore.Open(_temp.File("store"), new PrefixStoreOptions { ReserveBytes = 0 });
        using var engine = new Engine(_model, new EngineOptions
        {
            Threads = 1,
            Kv = KvFormat.F32,
            KvMemoryBytes = (LongTokens + 400) * TokenBytes,
            BatchTokens = 32,
            ContextTokens = 8192,
            PrefixCache = true,
            PrefixStores = [store],
            Time = clock,
        });
        var victim = new Sequence(Prompt(LongTokens, 3), Generation.Greedy(200) with { Priority = 5, IgnoreEnd = true });
        var other = new Sequence(Prompt(20, 5), Generation.Greedy(500) with { IgnoreEnd = true });
        engine.Submit(victim);
        engine.Submit(other);
        while (engine.Figures.Preemptions == 0)
            Assert.True(engine.Step());
        clock.TickMs = 0;
        var kept = victim.TokenCount / 32 * 32;
        // It takes all of the memory that the first had.
        var next = new Sequence(Prompt(LongTokens - 500, 7), Generation.Greedy(2) with { Cache = false });
        engine.Submit(next);
        while (engine.Step())
            engine.Verify();
        Assert.Equal((FinishReason.Length, FinishReason.Length, FinishReason.Length), (victim.Finish, other.Finish, next.Finish));
        Assert.Equal(200, victim.GeneratedCount);
        Assert.InRange(engine.Figures.RecomputedRows, isWritten ? 1 : 3000, isWritten ? 512 : LongTokens + 400);
        Assert.InRange(store.Figures.ReadBytes, isWritten ? kept / 2 * TokenBytes : 0, isWritten ? long.MaxValue : 0);
        Generation.Read(victim).AssertEquals(Alone(victim), 1e-2, "the one that gave way");
    }

    private Generation Alone(Sequence sequence) => Generation.Run(
        _model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, ContextTokens = 8192 },
        Prompt(LongTokens, 3), sequence.Options);

    private static int[] Prompt(int count, int factor) => [.. Enumerable.Range(0, count).Select(i => 300 + (i * factor % 101))];

    private sealed class LookedAtClock : TimeProvider
    {
        private readonly int _thread = Environment.CurrentManagedThreadId;
        private long _ms = 1_000_000;

        public int TickMs { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() =>
            Environment.CurrentManagedThreadId == _thread ? Interlocked.Add(ref _ms, TickMs) : Volatile.Read(ref _ms);
    }
}
