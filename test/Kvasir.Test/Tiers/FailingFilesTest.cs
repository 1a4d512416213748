using System.Collections.Concurrent;
using System.Diagnostics;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Tiers;

/// <summary>Files of pages that fail, are full or give back something else: an error for whom it concerns, never another answer.</summary>
public sealed class FailingFilesTest : IDisposable
{
    private const int MostPages = 4000;
    private const int PageBytes = 8192;

    // The model has twenty heads; three sequences of eleven pages each want 660.
    private static readonly EngineOptions Exact = new() { Threads = 2, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, ContextTokens = 1024 };
    private readonly Model _model = Generation.LoadStories();
    private readonly Engine _engine;
    private MemoryStore _store = null!;

    public FailingFilesTest() => _engine = new Engine(
        _model, Exact with { KvMemoryBytes = 150 * PageBytes, KvStore = bytes => _store = new MemoryStore(bytes, MostPages) { MostRun = 2 } });

    public void Dispose()
    {
        _engine.Dispose();
        _model.Dispose();
        Assert.True(_store.IsDisposed);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ReadsThatFailOnceOrComeBackOtherwiseOnceAreReadAgain()
    {
        // Each page once: who reads it again may come to any number, since others read meanwhile.
        var hurt = new ConcurrentDictionary<int, bool>();
        _store.OnRead = (number, page, bytes) =>
        {
            if (number % 100 == 7 && hurt.TryAdd(page, true))
                throw new IOException("a read failed");
            if (number % 100 == 57 && hurt.TryAdd(page, true))
                bytes[number % PageBytes] ^= 4;
        };
        Compare(Run(3), 3);
        Assert.True(_store.Reads > 200);
    }

    // One page, until somebody has lost it.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(false)]
    [InlineData(true)]
    public void RowsThatCannotBeReadBackAreComputedAgain(bool isDamaged)
    {
        var bad = -1;
        _store.OnRead = (number, page, bytes) =>
        {
            if (number <= 100)
                return;
            Interlocked.CompareExchange(ref bad, page, -1);
            if (page == Volatile.Read(ref bad) && _engine.Figures.Preemptions == 0)
                Hurt(isDamaged, bytes);
        };
        // Dense ones: what is computed again is what it was.
        var answers = Generation.RunAll(_engine, [.. Enumerable.Range(0, 3).Select(static i => (Prompt(2 * i), Options(2 * i)))]);
        Assert.Equal(1, _engine.Figures.Preemptions);
        for (var i = 0; i < 3; i++)
            Compare([answers[i]], 1, first: 2 * i);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(false)]
    [InlineData(true)]
    public void WhoseRowsAreLostTwiceEndsAndOthersGoOn(bool isDamaged)
    {
        var sequences = Enumerable.Range(0, 3).Select(static i => new Sequence(Prompt(i), Options(i))).ToArray();
        _store.OnRead = (number, _, bytes) =>
        {
            if (number > 100 && Array.TrueForAll(sequences, static sequence => sequence.Failure is null))
                Hurt(isDamaged, bytes);
        };
        var answers = Generation.RunAll(_engine, sequences);
        var failed = answers.Where(static answer => answer.Sequence.Failure is not null).ToArray();
        Assert.InRange(failed.Length, 1, 3);
        Assert.All(failed, answer => Assert.Matches(
            isDamaged ? "cannot be read back: what is read of page [0-9]+ is not what was written there" : "cannot be read back: the device is gone",
            answer.Sequence.Failure!.Message));
        _store.OnRead = null;
        // What one that chooses has decoded is computed again as prompts are, so that its answer may be another.
        for (var i = 0; i < 3; i += 2)
        {
            if (answers[i].Sequence.Failure is null)
                Compare([answers[i]], 1, first: i);
        }

        // What is asked afterwards is answered as ever.
        Compare(Run(3), 3);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ADiskThatIsFullEndsWhoCannotGoOnAndNobodyWhoCan()
    {
        var isFull = true;
        _store.OnWrite = _ =>
        {
            if (Volatile.Read(ref isFull))
                throw new IOException("no space left on device");
        };
        var answers = Run(3);
        Assert.Contains(answers, static answer => answer.Sequence.Failure is
        {
            Error: KvasirError.KvMemoryExceeded,
            Message: "keys and values do not fit into the KV memory, and cannot be put on file: no space left on device",
        });
        // One alone fits.
        Assert.Null(Generation.Run(_engine, Prompt(1, length: 100), Options(1, tokens: 5)).Sequence.Failure);
        Volatile.Write(ref isFull, false);
        // What could not be written is tried again, not all the time.
        var (start, last) = (Stopwatch.GetTimestamp(), Run(3));
        while (last.Any(static answer => answer.Sequence.Failure is not null) && Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(20))
            last = Run(3);
        Compare(last, 3);
    }

    [Fact]
    public void APromptWhoseHeadsDoNotFitIsRefusedWithBothNumbers()
    {
        using var engine = new Engine(_model, Exact with { KvMemoryBytes = 24 * PageBytes, KvStore = bytes => _store = new MemoryStore(bytes, MostPages) });
        var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(Prompt(0, length: 900), Options(0, 1))));
        Assert.Equal(KvasirError.KvMemoryExceeded, refusal.Error);
        Assert.Contains("bytes of KV memory", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("holds 768 tokens", refusal.Message, StringComparison.Ordinal);
    }

    private static void Hurt(bool isDamaged, byte[] bytes)
    {
        if (!isDamaged)
            throw new IOException("the device is gone");
        bytes[17] ^= 1;
    }

    private Generation[] Run(int count) => Generation.RunAll(_engine, [.. Enumerable.Range(0, count).Select(static i => (Prompt(i), Options(i)))]);

    private void Compare(Generation[] answers, int count, int first = 0, int tokens = 40)
    {
        using var memory = new Engine(_model, Exact);
        for (var i = 0; i < count; i++)
        {
            Assert.Null(answers[i].Sequence.Failure);
            var expected = Generation.Run(memory, Prompt(first + i), Options(first + i, tokens));
            expected.AssertEquals(answers[i], 1e-4, $"answer {first + i}");
        }
    }

    private static int[] Prompt(int i, int length = 300) => [.. Enumerable.Range(0, length + i).Select(at => 3 + (((at * 11) + i) % 400))];

    private static GenerationOptions Options(int i, int tokens = 40) => Generation.Greedy(tokens) with
    {
        Attention = PolicyCatalog.Parse(i % 2 == 0 ? "dense" : "quest:share=0.3,page=8,recent=4,dense-layers=none,min-context=0"),
    };
}
