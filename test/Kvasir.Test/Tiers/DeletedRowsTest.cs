using Kvasir.Attention.Policies;
using Kvasir.Cache;

namespace Kvasir.Test.Tiers;

/// <summary>Where the file is full, rows go for good that no later query reads: answers are those of memory, and nobody computes again.</summary>
public sealed class DeletedRowsTest : IDisposable
{
    private const int AnswerTokens = 420;
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    // Three answers come to 51 columns, and the file has place for 36.
    [Theory]
    [InlineData("bf16", 1, "alisa:ratio=0.2,scoring=literal,min-context=0")]
    [InlineData("f32", 2, "alisa:ratio=0.3,scoring=literal,min-context=0,observed=16,score-rows=two-k", Traits = ["Needs", "Minutes"])]
    [InlineData("q8", 2, "alisa:ratio=0.1,scoring=literal,min-context=200,recent=8", Traits = ["Needs", "Minutes"])]
    public void AnswersAreThoseOfMemoryBitForBit(string format, int threads, string policy)
    {
        var options = Options(format, threads);
        (int[], GenerationOptions)[] requests = [.. Enumerable.Range(0, 3).Select(i => (Prompt(98 + i), Answer(policy)))];
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, columns: 36));
        var (expected, answers) = (Generation.RunAll(memory, requests), Generation.RunAll(files, requests));
        for (var i = 0; i < requests.Length; i++)
        {
            Assert.Null(answers[i].Sequence.Failure);
            expected[i].AssertEquals(answers[i], 0, $"request {i}");
        }

        Assert.InRange(files.Figures.DeletedRows, 10 * PagePool.PageTokens, 48 * PagePool.PageTokens);
        Assert.Equal((0, 0), (files.Figures.Preemptions, files.Figures.RecomputedRows));
        Assert.Equal(0, files.KvBytesInUse);
    }

    // Sums of a window forget, first rows are read together, and what is guessed may be taken back: these wait for room as others do.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("alisa:ratio=0.2,scoring=literal,min-context=0,sinks=2", 0)]
    [InlineData("alisa:ratio=0.2,scoring=literal,min-context=0,sum=window", 0)]
    [InlineData("alisa:ratio=0.2,scoring=literal,min-context=0", 3)]
    public void NothingIsDeletedThatMayBeReadAgain(string policy, int guesses)
    {
        var options = Options("bf16", 1);
        (int[], GenerationOptions)[] requests =
            [.. Enumerable.Range(0, 3).Select(i => (Prompt(98 + i), Answer(policy) with { SpeculativeTokens = guesses }))];
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, columns: 36));
        Assert.All(Generation.RunAll(files, requests), static answer => Assert.Equal(AnswerTokens, answer.Tokens.Length));
        Assert.Equal(0, files.Figures.DeletedRows);
        Assert.True(files.Figures.Preemptions > 0 || files.Figures.Steps > 1.3 * AnswerTokens, files.Figures.ToString());
    }

    // Nearly everything may be read again: when nothing is left to be deleted somebody gives way, and computes again.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhoHasDeletedRowsAndGivesWayComputesAgain()
    {
        var options = Options("bf16", 2);
        (int[], GenerationOptions)[] requests =
            [.. Enumerable.Range(0, 3).Select(i => (Prompt(98 + i), Answer("alisa:ratio=0.95,scoring=literal,min-context=0")))];
        using var memory = new Engine(_model, options);
        using var files = new Engine(_model, OnFile(options, memory.Plan, columns: 17));
        var answers = Generation.RunAll(files, requests);
        Assert.All(answers, static answer => Assert.Equal(AnswerTokens, answer.Tokens.Length));
        Assert.True(files.Figures is { DeletedRows: > 0, Preemptions: > 0, RecomputedRows: > 200 }, files.Figures.ToString());
    }

    private static EngineOptions Options(string format, int threads) => new()
    {
        Threads = threads,
        Kv = new Kv(format),
        KvMemoryBytes = 64 << 20,
        ContextTokens = 1024,
        StepMs = 60_000,
        PromptsFirst = true,
        MaxSequences = 3,
    };

    // A column is a page of every head.
    private EngineOptions OnFile(EngineOptions options, MemoryPlan plan, int columns) => options with
    {
        KvMemoryBytes = (plan.KvBytesPerToken * 1000) + (3 * (plan.OpenPageBytes + 100_000)),
        KvEviction = PageEviction.Alisa,
        KvStore = bytes => new MemoryStore(bytes, columns * _model.Config.LayerCount * _model.Config.KvHeadCount) { MostDelay = 3 },
    };

    private static int[] Prompt(int length) => [.. Enumerable.Range(0, length).Select(i => 3 + (((i * 7) + length) % 400))];

    private static GenerationOptions Answer(string policy) => Generation.Greedy(AnswerTokens) with { Attention = PolicyCatalog.Parse(policy) };
}
