using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Forward;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Cache;

/// <summary>Layers with a window give up the rows that nobody will see, and compute what they would compute with all of them.</summary>
public sealed class WindowRowsTest
{
    private const int StepRows = 24;
    private const int MaxRows = 400;
    private const int Candidates = 5;

    [Theory]
    [InlineData("int8", "dense")]
    [InlineData("bf16", "quest:page=8,recent=8,dense-layers=none,min-context=0")]
    public void LogitsOfAHistoryAreThoseOfAllRowsKept(string format, string policy) => AssertSame(format, policy, rows: 200);

    [Theory]
    [InlineData("int8", "dense", 16)]
    [InlineData("kivi4", "dense", 32)]
    [InlineData("bf16", "quest:page=8,recent=8,dense-layers=none,min-context=0", 32)]
    public void SoAreThoseOfHeadsThatLieInOnePage(string format, string policy, int dim) => AssertSame(format, policy, rows: 160, new HeadSizes(8, dim));

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32", "dense")]
    [InlineData("bf16", "quest:page=8,recent=8,dense-layers=none,min-context=0")]
    [InlineData("int8", "dense")]
    [InlineData("kivi4", "dense")]
    [InlineData("bf16", "magicpig:bits=4,tables=20,segment=64,recent=8,dense-layers=0,min-context=0")]
    public void LogitsOfLongHistoriesAreThoseOfAllRowsKept(string format, string policy)
    {
        for (var i = 0; i < 5; i++)
            AssertSame(format, policy, MaxRows);
    }

    private static void AssertSame(string format, string policy, int rows, HeadSizes? heads = null)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        using var model = WindowedModel.Make(random.Next(1, 70), heads: heads);
        using var pool = new WorkerPool(1);
        using var kept = new Story(model, pool, new Kv(format), KeyAxesFile.Parse(policy), keepsAll: true);
        using var bounded = new Story(model, pool, new Kv(format), KeyAxesFile.Parse(policy), keepsAll: false);
        var what = $"{format}, {policy}, window {model.Config.SlidingWindowTokens}, seed {seed}";
        var promptEnd = random.Next(1, rows / 2);
        kept.Begin(promptEnd);
        bounded.Begin(promptEnd);
        while (kept.Rows < rows - StepRows)
        {
            var isPrompt = kept.Rows < promptEnd;
            var count = isPrompt ? Math.Min(random.Next(1, StepRows + 1), promptEnd - kept.Rows) : random.Next(1, Candidates + 2);
            var tokens = Enumerable.Range(0, count).Select(_ => random.Next(WindowedModel.Vocabulary)).ToArray();
            Assert.True(kept.Run(tokens).AsSpan().SequenceEqual(bounded.Run(tokens)), $"{what}, {kept.Rows} rows");
            var back = isPrompt ? 0 : random.Next(count);
            kept.TakeBack(back);
            bounded.TakeBack(back);
            bounded.RequireBound(what);
        }

        kept.Close();
        bounded.Close();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(100)]
    public void AGivenUpPageIsSomebodyElses(int window)
    {
        using var model = WindowedModel.Make(window);
        using var cache = new KvCache(KvFormat.F32, model.Config.Attention, new MemoryBudget(64 << 20)) { StepRows = 32 };
        var one = cache.TryOpen(4096)!;
        var most = cache.PageBytes(4096) / cache.Pool.PageBytes;
        for (var rows = 32; rows <= 4096; rows += 32)
        {
            Assert.True(one.TryReserve(rows));
            for (var head = 0; head < cache.HeadCount; head++)
            {
                for (var row = 0; row < 32; row++)
                    one.Head(head / 4, head % 4).Append(new float[8], new float[8]);
            }

            Assert.InRange(cache.Pool.PagesInUse, 0, most);
            cache.Pool.Verify();
        }

        // Two of twelve layers keep 128 pages a head, the others at most as many as window and step reach.
        Assert.Equal(4 * ((2 * 128) + (10 * ((window + 32 + 61) / 32))), most);
        one.Close();
        Assert.Equal(0, cache.Pool.PagesInUse);
    }

    private sealed class Story(Model model, WorkerPool pool, KvFormat format, AttentionPolicy policy, bool keepsAll) : IDisposable
    {
        private readonly KvCache _cache = new(format, model.Config.Attention, new MemoryBudget(64 << 20)) { StepRows = StepRows };
        private ForwardPass? _pass;
        private SequenceAttention? _attention;

        public int Rows => _attention!.RowCount;

        public void Begin(int promptEnd)
        {
            _pass = new ForwardPass(model, _cache, pool, new Batch(StepRows, 1, StepRows), MaxRows);
            var rows = keepsAll ? _cache.Open(MaxRows) : _cache.TryOpen(MaxRows)!;
            _attention = _pass.Open(rows, policy, MaxRows, promptEnd, takeBack: new TakeBackLimits(Candidates, Candidates + 1));
        }

        public float[] Run(int[] tokens)
        {
            Assert.True(_attention!.Cache!.TryReserve(Rows + tokens.Length));
            _pass!.Batch.Clear();
            _pass.Batch.Add(_attention, tokens, tokens.Length);
            _pass.Run();
            _pass.BuildIndex(_attention);
            return [.. Enumerable.Range(0, tokens.Length).SelectMany(row => _pass.Logits(row).ToArray())];
        }

        public void TakeBack(int rows)
        {
            if (rows > 0)
                _attention!.Truncate(Rows - rows);
        }

        public void RequireBound(string what) =>
            Assert.True(_cache.Pool.PagesInUse <= _cache.PageBytes(Rows + StepRows) / _cache.Pool.PageBytes, $"{what}: {_cache.Pool.PagesInUse} pages of {Rows} rows");

        public void Close()
        {
            _attention!.Release();
            Assert.Equal(0, _cache.Pool.PagesInUse);
            _cache.Pool.Verify();
        }

        public void Dispose()
        {
            _pass?.Dispose();
            _cache.Dispose();
        }
    }
}
