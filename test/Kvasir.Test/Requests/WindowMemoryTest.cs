using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Requests.Guessing;
using Kvasir.Tiers;

namespace Kvasir.Test.Requests;

/// <summary>An engine over layers with a window: what it keeps of long texts, and that a warm, a guessed, a preempted answer is the cold one all the same.</summary>
public sealed class WindowMemoryTest : IDisposable
{
    private const int Window = WindowedModel.Window;
    private const int BatchTokens = 64;
    private const int AnswerTokens = 800;
    private static readonly EngineOptions Options =
        new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, BatchTokens = BatchTokens, ContextTokens = 8192 };

    private readonly Model _model = WindowedModel.Make();

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true, Traits = ["Needs", "Minutes"])]
    public void ALongTextKeepsFullLayersAndWindowsAlone(bool onFile)
    {
        const int Tokens = 4000;
        using var engine = new Engine(_model, Options with { KvStore = onFile ? static bytes => new MemoryStore(bytes, 60000) : null });
        var sequence = new Sequence(WindowedModel.Text(Tokens), Generation.Greedy(40));
        engine.Submit(sequence);
        while (engine.Step() && sequence.GeneratedCount < 20)
        {
        }

        var rowBytes = engine.Plan.KvBytesPerToken / 8.0;
        var heads = (Full: 2 * 4, Windowed: 10 * 4);
        var needed = rowBytes * ((heads.Full * (double)sequence.CachedCount) + (heads.Windowed * Window));
        Assert.InRange(engine.KvBytesInUse, needed, (1.05 * needed) + (heads.Windowed * 32 * rowBytes));
        Assert.InRange(engine.Plan.WindowBytes, heads.Windowed * rowBytes * (Window + BatchTokens), heads.Windowed * rowBytes * (Window + BatchTokens + 61));
        while (engine.Step())
        {
        }

        Assert.Null(sequence.Failure);
        Assert.Equal(0, engine.KvBytesInUse);
        engine.Verify();
    }

    // Rows of guesses are appended behind a window whose front has gone, and taken back.
    [Fact]
    public void AnAnswerGuessedByTheModelsOwnWeightsIsTheSame()
    {
        using var guessing = WindowedModel.Make(options: new ModelOptions { DraftWeights = true });
        var options = Options with { DraftCosts = new DraftCosts(stepMs: 10, rowMs: 0.1, draftMs: 1) };
        var expected = Generation.Run(_model, Options, WindowedModel.Text(150), Generation.Greedy(200));
        var guessed = Generation.Run(guessing, options, WindowedModel.Text(150), Generation.Greedy(200) with { SpeculativeTokens = 8 });
        guessed.AssertEquals(expected, 1e-3, "guessed");
        Assert.True(guessed.Sequence.Timings.GuessedTokens > 40, $"{guessed.Sequence.Timings.GuessedTokens}");
    }

    // With all of their rows in memory 400 tokens would be the most.
    [Fact]
    public void WhatFitsIsCountedWithoutWhatIsGivenUp()
    {
        using var roomy = new Engine(_model, Options);
        var rowBytes = (long)(roomy.Plan.KvBytesPerToken / 8);
        var limit = 48 * rowBytes * 416;
        using var engine = new Engine(_model, Options with { KvMemoryBytes = limit });
        Assert.InRange(engine.Plan.TokensThatFit, 1500, 2496);
        var expected = Generation.Run(roomy, WindowedModel.Text(1400), Generation.Greedy(30));
        Generation.Run(engine, WindowedModel.Text(1400), Generation.Greedy(30)).AssertEquals(expected, 0, "in little memory");
        var refusal = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(WindowedModel.Text(2600), Generation.Greedy(1))));
        Assert.StartsWith($"the prompt of 2600 tokens needs {2601 * 8 * rowBytes + engine.Plan.WindowBytes} bytes", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dense")]
    [InlineData("quest:page=8,recent=8,dense-layers=none,min-context=0", Traits = ["Needs", "Minutes"])]
    public void AFoundBeginningIsComputedOnAsACold(string policy)
    {
        using var warm = new Engine(_model, Options with { PrefixCache = true });
        using var cold = new Engine(_model, Options);
        var options = Generation.Greedy(12) with { Attention = KeyAxesFile.Parse(policy), Tenant = policy };
        var text = WindowedModel.Text(1000);
        Generation.Run(warm, text[..700], options);
        // Forks before, at and behind the edges of windows and pages, nearer and further from the end of what is there.
        foreach (var fork in (int[])[640, 639, 577, 576, 320, 104, 64, 40, 31])
        {
            int[] prompt = [.. text[..fork], .. WindowedModel.Text(150, step: fork)];
            Check(prompt, fork / 32 * 32, $"fork at {fork}");
        }

        // Without the rows that windows reach nothing is found, and what is computed again is found again.
        Assert.True(warm.Prefixes.IdleBytes > 0);
        DropWindows(warm);
        Check([.. text[..640], .. WindowedModel.Text(100, step: 7)], 0, "windows gone");
        Check([.. text[..640], .. WindowedModel.Text(100, step: 9)], 640, "windows come again");

        void Check(int[] prompt, int found, string what)
        {
            var (expected, actual) = (Generation.Run(cold, prompt, options), Generation.Run(warm, prompt, options));
            actual.AssertEquals(expected, 2e-4, $"{policy}, {what}");
            Assert.True(actual.Sequence.CachedTokens == found, $"{policy}, {what}: {actual.Sequence.CachedTokens} tokens were there");
        }
    }

    [Theory]
    [InlineData("streaming:sinks=2,recent=30,min-context=0")]
    [InlineData("quest:page=8,recent=8,share=0.1,dense-layers=none,min-context=0")]
    [InlineData("quest:page=8,recent=8,min-context=0,share=0.1,dense-layers=none+streaming:sinks=2,recent=62,min-context=0")]
    [InlineData("snapkv:min-context=0")]
    [InlineData("h2o:heavy=0.1,newest=0.1,min-context=0")]
    [InlineData("psa:block=4,unit=layer,sinks=4,recent=4,coverage=0.5,dense-layers=none,min-context=0")]
    [InlineData("topk:share=0.1,dense-layers=1,min-context=0")]
    public void PoliciesChooseInLayersThatSeeAllAndInNoOthers(string policy)
    {
        using var engine = new Engine(_model, Options);
        var answer = Generation.Run(engine, WindowedModel.Text(400), Generation.Greedy(40) with { Attention = PolicyCatalog.Parse(policy) }).Sequence;
        Assert.Null(answer.Failure);
        var layers = answer.ReadsByLayer();
        WindowedModel.AssertWindowsAreReadWhole(_model, layers, rows: 39L * 4 * Window);
        // The second of those that see all is layer 1 to a policy.
        var dense = policy.Contains("dense-layers=1", StringComparison.Ordinal);
        Assert.True(layers[5].KeysReadShare < 0.9, $"{layers[5]}");
        Assert.Equal(dense, layers[11].KeysReadShare == 1);
        Assert.Equal(layers[5].RowsRead + layers[11].RowsRead, answer.Reads().RowsRead);
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void MemoryThatIsShortIsTakenFromWindowsOfBeginningsFirst()
    {
        using var roomy = new Engine(_model, Options);
        var rowBytes = (long)(roomy.Plan.KvBytesPerToken / 8);
        using var engine = new Engine(_model, Options with { KvMemoryBytes = 48 * rowBytes * 1600, PrefixCache = true });
        var prompts = Enumerable.Range(0, 6).Select(i => WindowedModel.Text(900, step: 11 + i)).ToArray();
        for (var turn = 0; turn < 2; turn++)
        {
            foreach (var prompt in prompts)
            {
                var again = Generation.Run(engine, [.. prompt, .. WindowedModel.Text(50 * turn)], Generation.Greedy(4));
                again.AssertEquals(Generation.Run(roomy, [.. prompt, .. WindowedModel.Text(50 * turn)], Generation.Greedy(4)), 2e-4, $"turn {turn}");
                Assert.True(turn == 0 || again.Sequence.CachedTokens == 896, $"{again.Sequence.CachedTokens} tokens were there");
                engine.Verify();
            }
        }
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void GuessesAndPreemptionChangeNoToken()
    {
        using var roomy = new Engine(_model, Options);
        var rowBytes = (long)(roomy.Plan.KvBytesPerToken / 8);
        var prompts = Enumerable.Range(0, 2).Select(i => WindowedModel.Text(300, step: 11 + i)).ToArray();
        var expected = prompts.Select(prompt => Generation.Run(roomy, prompt, Generation.Greedy(AnswerTokens))).ToArray();
        // Room for both as they enter, and not for both as they end.
        using var tight = new Engine(_model, Options with { KvMemoryBytes = 21500 * rowBytes });
        var answers = Generation.RunAll(tight, prompts.Select(static prompt => (prompt, Generation.Greedy(AnswerTokens) with { SpeculativeTokens = 4 })));
        for (var i = 0; i < prompts.Length; i++)
            answers[i].AssertEquals(expected[i], 2e-4, $"answer {i}");
        Assert.True(tight.Figures.Preemptions > 0);
        Assert.Equal(0, tight.KvBytesInUse);
    }

    [Fact]
    public void WhatIsSavedEndsBeforeColumnsWhoseWindowsAreGone()
    {
        using var folder = new TempFolder();
        var (file, text) = (folder.File("rows.kv"), WindowedModel.Text(1000));
        using var first = new Engine(_model, Options with { PrefixCache = true });
        var tokens = Generation.Run(first, text[..700], Generation.Greedy(12)).Sequence.Tokens.ToArray();
        Assert.Equal(704, first.SaveKv(file, tokens).Tokens);
        using var second = new Engine(_model, Options with { PrefixCache = true });
        Assert.Equal(704, second.LoadKv(file).Tokens);
        int[] prompt = [.. text[..640], .. WindowedModel.Text(100, step: 7)];
        using var cold = new Engine(_model, Options);
        var answer = Generation.Run(second, prompt, Generation.Greedy(12));
        answer.AssertEquals(Generation.Run(cold, prompt, Generation.Greedy(12)), 2e-4, "loaded");
        Assert.Equal(640, answer.Sequence.CachedTokens);
        DropWindows(first);
        Assert.Equal(0, first.SaveKv(file, tokens).Tokens);
        first.Verify();
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void BeginningsThatOutlastTheProcessHaveTheirWindows()
    {
        using var folder = new TempFolder();
        var (text, options) = (WindowedModel.Text(1000), Generation.Greedy(12));
        using (var store = DiskPrefixStore.Open(folder.File("store"), new PrefixStoreOptions { ReserveBytes = 0 }))
        using (var engine = new Engine(_model, Options with { PrefixCache = true, PrefixStores = [store] }))
            Generation.Run(engine, text[..700], options);
        using var reopened = DiskPrefixStore.Open(folder.File("store"), new PrefixStoreOptions { ReserveBytes = 0 });
        using var next = new Engine(_model, Options with { PrefixCache = true, PrefixStores = [reopened], Time = new SetClock() });
        using var cold = new Engine(_model, Options);
        int[] prompt = [.. text[..640], .. WindowedModel.Text(100, step: 7)];
        var answer = Generation.Run(next, prompt, options);
        answer.AssertEquals(Generation.Run(cold, prompt, options), 2e-4, "stored");
        // Whole chunks of eight columns.
        Assert.Equal((512, 512), (answer.Sequence.CachedTokens, answer.Sequence.StoredTokens));
        next.Verify();
    }

    // The oldest columns lose what windows do not reach, one by one; then the oldest end goes.
    private static void DropWindows(Engine engine)
    {
        using var use = engine.Use();
        var prefixes = use.Pass.Cache.Prefixes;
        var before = prefixes.Figures.EvictedColumns;
        while (prefixes.Figures.EvictedColumns == before)
            Assert.True(prefixes.TryEvict(1));
    }
}
