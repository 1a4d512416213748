using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Attention;
using Kvasir.Tiers;

namespace Kvasir.Test.Tiers;

/// <summary>What one engine leaves in a store and another finds there, as after a restart: taken, told, and the cold answer.</summary>
public sealed class StoredPrefixesTest : IDisposable
{
    private const int PromptTokens = 700;
    private const int PromptColumns = PromptTokens / 32;

    // Steps of a column: rows behind any hit come in the same steps as in a cold run, so that there is nothing to round otherwise.
    // The clock stands: a machine that is busy reads no later than one that is not.
    private static readonly EngineOptions Options = new()
    {
        Threads = 1,
        Kv = KvFormat.F32,
        KvMemoryBytes = 64 << 20,
        BatchTokens = 32,
        ContextTokens = 2048,
        PrefixCache = true,
        Time = new SetClock(),
    };

    private readonly TempFolder _temp = new();
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public StoredPrefixesTest() =>
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Range(0, 100).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));

    public static TheoryData<string> Formats => [.. KvFormat.Table.Where(static format => !format.Keys.KeepsNewest).Select(static format => format.Name)];

    public void Dispose()
    {
        _model.Dispose();
        _temp.Dispose();
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("int8")]
    public void AnAnswerAfterARestartIsTheColdOne(string format) => AssertAsCold(Options with { Kv = new Kv(format) }, "dense");

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Formats))]
    public void AnAnswerAfterARestartIsTheColdOneInEveryFormat(string format)
    {
        foreach (var policy in new[] { "dense", "quest:page=8,recent=8,dense-layers=none,min-context=0", "psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0", "h2o:heavy=0.1,newest=0.1,min-context=0", "guarded:pilot=24,recent=4,min-context=0" })
            AssertAsCold(Options with { Kv = new Kv(format) }, policy);
    }

    [Fact]
    public void TheSecondTurnOfAConversationFindsTheFirst()
    {
        Generation first;
        using (var store = Open())
        using (var engine = new Engine(_model, Options with { PrefixStores = [store] }))
            first = Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(60));
        int[] second = [.. first.Sequence.Tokens, .. _text[900..950]];
        using var reopened = Open();
        using var next = new Engine(_model, Options with { PrefixStores = [reopened] });
        var answer = Generation.Run(next, second, Generation.Greedy(5)).Sequence;
        // All but the newest token of the first turn, in whole columns.
        Assert.Equal((759 / 32 * 32, 759 / 32 * 32), (answer.CachedTokens, answer.StoredTokens));
        Assert.Equal(second.Length - answer.CachedTokens, (int)next.Figures.PromptRows);
        Assert.Equal((answer.CachedTokens, answer.CachedTokens), ((int)next.Prefixes.HitTokens, (int)next.Prefixes.StoredHitTokens));
        Assert.Null(answer.DivergedAt);
        // What memory has is not read again.
        var read = reopened.Figures.ReadBytes;
        var again = Generation.Run(next, second, Generation.Greedy(5)).Sequence;
        Assert.Equal((809 / 32 * 32, 0, read), (again.CachedTokens, again.StoredTokens, reopened.Figures.ReadBytes));
    }

    [Fact]
    public void APromptTakesWholeColumnsOfTheChunksThatItBeginsWith()
    {
        Leave(PromptTokens, Generation.Greedy(1));
        // 700 tokens are chunks of 8, 8 and 5 columns.
        Assert.Equal(512, Found([.. _text[..600], .. _text[900..1000]]));
        Assert.Equal(256, Found([.. _text[..500], .. _text[900..1000]]));
        Assert.Equal(0, Found(_text[3..600]));
        Assert.Equal(480, Found(_text[..512]));
        Assert.Equal(512, Found(_text[..513]));
        Assert.Equal(672, Found(_text[..1000]));
        Assert.Equal(640, Found(_text[..PromptTokens], "h2o:heavy=0.1,newest=0.1,observed=60,min-context=0"));
        Assert.Equal(0, Found(_text[..200]));
    }

    // Three chunks, of which the second waits for what the first may take: 0.3 s, however fast the disk is.
    [Fact]
    public void NoMoreIsWrittenInASecondThanMayBe()
    {
        using var store = Open();
        using var engine = new Engine(_model, Options with { PrefixStores = [store], PrefixBytesPerSecond = 1 });
        var chunk = 256 * engine.Plan.KvBytesPerToken;
        using var paced = new Engine(_model, Options with { PrefixStores = [store], PrefixBytesPerSecond = (long)(chunk / 0.3) });
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        Generation.Run(paced, _text[..PromptTokens], Generation.Greedy(1));
        Assert.True(SpinWait.SpinUntil(() => store.Figures.WrittenBytes >= 2 * chunk, TimeSpan.FromSeconds(30)));
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds, 0.3, 30);
        // One that could wait for an hour is not waited for when the engine goes.
        Generation.Run(engine, _text[100..(100 + PromptTokens)], Generation.Greedy(1));
    }

    [Fact]
    public void ShortOnesAreNotWorthADisk()
    {
        Leave(511, Generation.Greedy(1));
        using var store = Open();
        Assert.Equal(0, store.Figures.Chunks);
    }

    [Fact]
    public void TenantsSaltsFormatsAndModelsFindTheirOwn()
    {
        var mine = Generation.Greedy(1) with { Tenant = "a", CacheSalt = "s" };
        Leave(PromptTokens, mine);
        Assert.Equal(0, Found(_text[..PromptTokens]));
        Assert.Equal(0, Found(_text[..PromptTokens], request: mine with { CacheSalt = "t" }));
        Assert.Equal(0, Found(_text[..PromptTokens], request: mine with { Tenant = "b" }));
        Assert.Equal(0, Found(_text[..PromptTokens], request: mine, options: Options with { Kv = KvFormat.BF16 }));
        Assert.Equal(0, Found(_text[..PromptTokens], request: mine with { Cache = false }));
        Assert.Equal(PromptColumns * 32, Found(_text[..PromptTokens], request: mine));
        using var other = TinyModelFile();
        using var store = Open();
        using var engine = new Engine(other, Options with { PrefixStores = [store] });
        var answer = Generation.Run(engine, [.. Enumerable.Range(0, PromptTokens).Select(i => i % other.Config.VocabularySize)], mine);
        Assert.Equal(0, answer.Sequence.CachedTokens);
    }

    [Fact]
    public void WhatIsPinnedForAllIsFoundByEveryTenant()
    {
        using (var store = Open())
        using (var engine = new Engine(_model, Options with { PrefixStores = [store] }))
        {
            var sequence = new Sequence(_text.AsSpan(0, PromptTokens), Generation.Greedy(1) with { Tenant = "admin" }) { Pin = new PrefixPin { IsCommon = true } };
            Generation.RunAll(engine, [sequence]);
        }

        Assert.Equal(PromptColumns * 32, Found(_text[..900], request: Generation.Greedy(1) with { Tenant = "b" }));
    }

    [Fact]
    public void ThoseWhoBeginAlikeReadItOnce()
    {
        Leave(PromptTokens, Generation.Greedy(1));
        using var store = Open();
        using var engine = new Engine(_model, Options with { PrefixStores = [store] });
        var both = Generation.RunAll(engine, [(_text[..900], Generation.Greedy(3)), ([.. _text[..800], .. _text[900..950]], Generation.Greedy(3))]);
        Assert.Equal([672, 672], both.Select(static answer => answer.Sequence.StoredTokens));
        Assert.InRange(store.Figures.ReadBytes, 21 * ColumnBytes(engine), 22 * ColumnBytes(engine) + (3 * 4096));
        // The second waits for what the first computes behind that.
        Assert.Equal(800, both[1].Sequence.CachedTokens);
    }

    [Fact]
    public void WhatIsDamagedIsComputed()
    {
        var cold = Cold(900);
        Leave(PromptTokens, Generation.Greedy(1));
        foreach (var damage in new[] { 0, 1, 2 })
        {
            using var store = DiskPrefixStore.Open(_temp.File("store"), new PrefixStoreOptions { ReadsOnly = true });
            using var engine = new Engine(_model, Options with { PrefixStores = [store] });
            var segment = Directory.GetFiles(_temp.File("store"), "*.seg", SearchOption.AllDirectories).Single();
            var bytes = File.ReadAllBytes(segment);
            var chunkBytes = (4096 + (8 * ColumnBytes(engine)) + 4095) / 4096 * 4096;
            bytes[4096 + (damage * chunkBytes) + 5000] ^= 4;
            File.WriteAllBytes(segment, bytes);
            var answer = Generation.Run(engine, _text[..900], Generation.Greedy(10));
            Assert.Equal(damage * 256, answer.Sequence.CachedTokens);
            Assert.Equal(cold.Tokens, answer.Tokens);
            bytes[4096 + (damage * chunkBytes) + 5000] ^= 4;
            File.WriteAllBytes(segment, bytes);
        }
    }

    [Fact]
    public void OneThatWaitsTooLongComputesAndWhatComesLateIsNobodys()
    {
        var cold = Cold(900);
        Leave(PromptTokens, Generation.Greedy(1));
        var clock = new SetClock();
        using var disk = Open();
        using var store = new HeldStore(disk);
        using var engine = new Engine(_model, Options with { PrefixStores = [store], Time = clock });
        store.Hold();
        var sequence = new Sequence(_text.AsSpan(0, 900), Generation.Greedy(10));
        engine.Submit(sequence);
        Assert.True(engine.Step());
        store.AwaitRead();
        Assert.True(engine.Step());
        Assert.Equal((0, 0L), (sequence.CachedCount, engine.Figures.LatePrefixReads));
        clock.Add(TimeSpan.FromSeconds(3));
        while (engine.Step())
            engine.Verify();
        Assert.Equal((0, 1L), (sequence.CachedTokens, engine.Figures.LatePrefixReads));
        Assert.Equal(cold.Tokens, Generation.Read(sequence).Tokens);
        // While the disk hangs nobody asks it.
        Assert.Equal(0, Generation.Run(engine, _text[..600], Generation.Greedy(1) with { CacheSalt = "x" }).Sequence.StoredTokens);
        store.Go();
        engine.Verify();
    }

    [Fact]
    public void OneThatIsCancelledWhileItWaitsGivesEverythingBackOnce()
    {
        Leave(PromptTokens, Generation.Greedy(1));
        using var disk = Open();
        for (var chunk = 0; chunk < 4; chunk++)
        {
            using var store = new HeldStore(disk);
            using var engine = new Engine(_model, Options with { PrefixStores = [store] });
            var sequence = new Sequence(_text.AsSpan(0, 900), Generation.Greedy(10));
            engine.Submit(sequence);
            store.Hold();
            Assert.True(engine.Step());
            store.AwaitRead();
            if (chunk > 0)
            {
                store.Go();
                while (sequence.CachedCount < (chunk == 3 ? 690 : chunk * 250) && engine.Step())
                    engine.Verify();
            }

            sequence.Cancel();
            while (engine.Step())
                engine.Verify();
            Assert.Equal(FinishReason.Cancelled, sequence.Finish);
            Assert.Equal(engine.Prefixes.Tokens, engine.Prefixes.IdleTokens);
            store.Go();
            // What the last one left is longer.
            Assert.Equal(chunk == 0 ? 672 : 896, Generation.Run(engine, _text[..900], Generation.Greedy(1)).Sequence.CachedTokens);
            engine.Verify();
        }
    }

    [Fact]
    public void AnEngineIsDisposedWhileRowsAreOnTheirWay()
    {
        Leave(PromptTokens, Generation.Greedy(1));
        using var disk = Open();
        var store = new HeldStore(disk);
        var engine = new Engine(_model, Options with { PrefixStores = [store] });
        var sequence = new Sequence(_text.AsSpan(0, 900), Generation.Greedy(10));
        engine.Submit(sequence);
        store.Hold();
        engine.Step();
        store.AwaitRead();
        engine.Dispose();
        Assert.Equal(KvasirError.Closed, sequence.Failure!.Error);
        store.Go();
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void MemoryThatOthersNeedIsNotKeptUntilItIsWritten()
    {
        using var disk = Open();
        using var engine = new Engine(_model, Options with { KvMemoryBytes = 1800 * 5124, PrefixStores = [disk] });
        for (var i = 0; i < 6; i++)
        {
            var prompt = _text[(i * 20)..((i * 20) + 1200)];
            var answer = Generation.Run(engine, prompt, Generation.Greedy(3));
            Assert.Equal((FinishReason.Length, 3), (answer.Sequence.Finish, answer.Tokens.Length));
        }
    }

    [Fact]
    public void StoresNeedThePrefixCache()
    {
        using var store = Open();
        var refusal = Assert.Throws<KvasirException>(() => new Engine(_model, Options with { PrefixCache = false, PrefixStores = [store] }));
        Assert.Equal(KvasirError.BadOption, refusal.Error);
    }

    private DiskPrefixStore Open() => DiskPrefixStore.Open(_temp.File("store"), new PrefixStoreOptions { ReserveBytes = 0 });

    private Model TinyModelFile() => Model.Load(_temp.Write("tiny.gguf", TinyModel.Gguf().Set("tokenizer.ggml.model", "llama").Build()));

    private static long ColumnBytes(Engine engine) => engine.Plan.KvBytesPerToken * 32;

    private Generation Cold(int tokens) => Generation.Run(_model, Options with { PrefixCache = false }, _text[..tokens], Generation.Greedy(10));

    private Generation Leave(int tokens, GenerationOptions request, EngineOptions? options = null)
    {
        using var store = Open();
        using var engine = new Engine(_model, (options ?? Options) with { PrefixStores = [store] });
        return Generation.Run(engine, _text[..tokens], request);
    }

    private int Found(int[] prompt, string policy = "dense", GenerationOptions? request = null, EngineOptions? options = null)
    {
        using var store = DiskPrefixStore.Open(_temp.File("store"), new PrefixStoreOptions { ReadsOnly = true });
        using var engine = new Engine(_model, (options ?? Options) with { PrefixStores = [store] });
        var answer = Generation.Run(engine, prompt, (request ?? Generation.Greedy(1)) with { Attention = PolicyCatalog.Parse(policy) }).Sequence;
        Assert.Equal(answer.CachedTokens, answer.StoredTokens);
        return answer.CachedTokens;
    }

    // Prompt, answer and a second prompt behind them: as it is answered by one who has computed nothing of that before.
    private void AssertAsCold(EngineOptions options, string policy)
    {
        var request = Generation.Greedy(20) with { Attention = KeyAxesFile.Parse(policy), Tenant = policy };
        // No column of rows that were decoded, one in a step: a cold prompt has them otherwise by rounding.
        var first = Leave(PromptTokens, request with { MaxTokens = 4 }, options);
        int[] second = [.. first.Sequence.Tokens, .. _text[900..940]];
        using var store = Open();
        using var warm = new Engine(_model, options with { PrefixStores = [store] });
        using var cold = new Engine(_model, options with { PrefixCache = false });
        var (expected, actual) = (Generation.Run(cold, second, request), Generation.Run(warm, second, request));
        Assert.InRange(actual.Sequence.StoredTokens, PromptColumns * 32, second.Length);
        Assert.True(expected.Tokens.SequenceEqual(actual.Tokens), $"{policy}: {string.Join(' ', expected.Tokens)} cold, {string.Join(' ', actual.Tokens)} stored");
        Assert.Equal(expected.Logprobs, actual.Logprobs);
        Assert.Equal(expected.Sequence.ReadsByLayer(), actual.Sequence.ReadsByLayer());
    }
}
