using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Attention;

namespace Kvasir.Test.Tiers;

/// <summary>What is saved by one engine and loaded by another, as by another process: reused, reported, and the cold answer.</summary>
public sealed class SavedRowsTest : IDisposable
{
    private const int PromptTokens = 200;
    private const string Dropping = "streaming:sinks=2,recent=62,min-context=0";

    // Steps of 64 rows, and 192 that are loaded: those behind them are computed in the same steps as in a cold run, so that there is nothing to round otherwise.
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, BatchTokens = 64, PrefixCache = true };

    private static readonly string[] Policies =
    [
        "dense", Dropping, "longformer:min-context=0", "quest:page=8,recent=8,dense-layers=none,min-context=0", "quest:page=8,recent=8,min-context=0+" + Dropping,
        "psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0", "magicpig:bits=6,tables=40,segment=64,recent=8,min-context=0",
        "h2o:heavy=0.1,newest=0.1,min-context=0", "alisa:min-context=0", "guarded:pilot=24,recent=4,min-context=0", "topk:share=0.1,min-context=0", "had:share=0.1,recent=8,min-context=0", "clusterkv:cluster=8,min-context=0", "loki:share=0.2,recent=8,min-context=0",
    ];

    private readonly TempFolder _folder = new();
    private readonly Model _model = Generation.LoadStories();
    private readonly string _file;
    private readonly int[] _text;

    public SavedRowsTest()
    {
        _file = _folder.File("rows.kv");
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Range(0, 40).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));
    }

    // What KIVI reads of the newest rows depends on which came in the same step.
    public static TheoryData<string> Formats => [.. KvFormat.Table.Where(static format => !format.Keys.KeepsNewest).Select(static format => format.Name)];

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void AnAnswerBehindLoadedRowsIsTheColdOneInEveryFormat(string format) => AssertAsCold(Options with { Kv = new Kv(format) }, "dense");

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Formats))]
    public void AnAnswerBehindLoadedRowsIsTheColdOneUnderEveryPolicy(string format) =>
        Array.ForEach(Policies, policy => AssertAsCold(Options with { Kv = new Kv(format) }, policy));

    [Fact]
    public void WhatWasLoadedIsReportedAndReallyNotComputed()
    {
        var answer = Save(Options, Generation.Greedy(20), out var saved);
        Assert.Equal((192, PromptTokens + 20, new FileInfo(_file).Length), (saved.Tokens, saved.FileTokens, saved.Bytes));
        using var engine = new Engine(_model, Options);
        Assert.Equal(saved, engine.LoadKv(_file, _text.AsSpan(0, PromptTokens)));
        var again = Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(20));
        Assert.Equal((192, PromptTokens - 192), (again.Sequence.CachedTokens, (int)engine.Figures.PromptRows));
        Assert.Equal(answer.Tokens, again.Tokens);
    }

    [Fact]
    public void APromptTakesWhatItHasInCommonWithWhatWasSaved()
    {
        Save(Options, Generation.Greedy(1), out _);
        Assert.Equal((128, 140), Load([.. _text[..140], .. _text[300..350]]));
        Assert.Equal((0, 0), Load(_text[3..100]));
        // Behind the prompt the file has a token of the answer.
        Assert.Equal((192, 200), Load(_text[..300]));
        // One row at least tells the first token.
        Assert.Equal((128, null), Load(_text[..160]));
        Assert.Equal((160, null), Load(_text[..161]));
        Assert.Equal((192, null), Load([]));
        // What a policy observes of a prompt it computes itself.
        Assert.Equal((128, null), Load(_text[..PromptTokens], "h2o:heavy=0.1,newest=0.1,observed=41,min-context=0"));

        (int, int?) Load(int[] prompt, string policy = "dense")
        {
            using var engine = new Engine(_model, Options);
            var options = Generation.Greedy(4) with { Attention = PolicyCatalog.Parse(policy) };
            var use = engine.LoadKv(_file, prompt, options);
            Assert.Equal(use.Tokens, engine.Prefixes.Tokens);
            engine.Verify();
            if (prompt.Length > 0)
                Assert.Equal(use.Tokens, Generation.Run(engine, prompt, options).Sequence.CachedTokens);
            return (use.Tokens, use.DivergedAt);
        }
    }

    [Fact]
    public void RowsThatAreThereAreNotReadAgainAndMoreThanFitsIsNotTaken()
    {
        Save(Options, Generation.Greedy(1), out var saved);
        using var engine = new Engine(_model, Options);
        Generation.Run(engine, _text[..70], Generation.Greedy(1));
        var before = engine.Prefixes.AddedColumns;
        Assert.Equal(saved.Tokens, engine.LoadKv(_file).Tokens);
        Assert.Equal((saved.Tokens, before + (saved.Tokens / 32) - 2), ((int)engine.Prefixes.Tokens, engine.Prefixes.AddedColumns));
        var bytes = engine.KvBytesInUse;
        Assert.Equal(saved.Tokens, engine.LoadKv(_file).Tokens);
        Assert.Equal(bytes, engine.KvBytesInUse);
        using var small = new Engine(_model, Options with { KvMemoryBytes = bytes * 3 / 6 });
        Assert.Equal(96, small.LoadKv(_file).Tokens);
        small.Verify();
        Assert.True(small.KvBytesInUse <= bytes / 2);
    }

    [Fact]
    public void ATenantsRowsAreItsOwn()
    {
        var mine = Generation.Greedy(1) with { Tenant = "a" };
        Save(Options, mine, out var saved);
        using var engine = new Engine(_model, Options);
        Assert.Equal(192, saved.Tokens);
        Assert.Equal(0, engine.SaveKv(_folder.File("none.kv"), _text.AsSpan(0, PromptTokens)).Tokens);
        Assert.Equal(192, engine.LoadKv(_file, options: mine).Tokens);
        Assert.Equal(0, Generation.Run(engine, _text[..PromptTokens], Generation.Greedy(1)).Sequence.CachedTokens);
        Assert.Equal(192, Generation.Run(engine, _text[..PromptTokens], mine).Sequence.CachedTokens);
    }

    [Fact]
    public void RowsOfAnythingElseAreRefusedWithBothValues()
    {
        var sparse = PolicyCatalog.Parse("quest:page=8,recent=8,min-context=0");
        Save(Options, Generation.Greedy(1), out _);
        AssertRefused(_model, Options with { Kv = KvFormat.Q8 }, "of format 'f32', and here they are of format 'q8'");
        AssertRefused(_model, Options with { ReusesSparseAnswers = true, Attention = sparse }, $"of attention 'dense', and here they are of attention '{sparse.Name}'");
        using var needle = Model.Load("needle");
        AssertRefused(needle, Options, "of rotation '");
        var tiny = Tiny("tiny.gguf", TinyModel.Gguf().Set("tokenizer.ggml.model", "llama"));
        using (var engine = new Engine(tiny, Options))
            engine.SaveKv(_file, [1, 2, 3]);
        using var turned = Tiny("turned.gguf", TinyModel.Gguf().Set("tokenizer.ggml.model", "llama").Set("llama.rope.freq_base", 20000f));
        AssertRefused(turned, Options, "of rotation 'Base=10000', and here they are of rotation 'Base=20000'");
        tiny.Dispose();

        Model Tiny(string name, GgufWriter writer) => Model.Load(_folder.Write(name, writer.Build()));
    }

    [Fact]
    public void WhoKeepsNoRowsSavesAndLoadsNone()
    {
        using var engine = new Engine(_model, Options with { PrefixCache = false });
        Assert.Contains("prefix cache", Assert.Throws<KvasirException>(() => engine.SaveKv(_file, [1])).Message, StringComparison.Ordinal);
        Save(Options, Generation.Greedy(1), out _);
        Assert.Equal(KvasirError.BadOption, Assert.Throws<KvasirException>(() => engine.LoadKv(_file)).Error);
    }

    [Fact]
    public void SparseAnswersAreSavedForTheirOwnPolicy()
    {
        var options = Options with { ReusesSparseAnswers = true };
        var request = Generation.Greedy(60) with { Attention = PolicyCatalog.Parse("quest:page=8,recent=8,dense-layers=none,min-context=0") };
        var answer = Save(options, request, out var saved);
        Assert.Equal(256, saved.Tokens);
        using var engine = new Engine(_model, options);
        Assert.Equal(256, engine.LoadKv(_file, options: request).Tokens);
        int[] second = [.. answer.Sequence.Tokens, .. _text[400..440]];
        Assert.Equal(256, Generation.Run(engine, second, request).Sequence.CachedTokens);
    }

    [Fact]
    public async Task ALoopSavesAndLoadsBetweenStepsAndNothingWhenItIsClosed()
    {
        var loop = new EngineLoop(new Engine(_model, Options));
        var first = new Sequence(_text.AsSpan(0, PromptTokens), Generation.Greedy(1));
        await loop.SubmitAsync(first);
        await foreach (var token in first.ReadAllAsync(TestContext.Current.CancellationToken))
            Assert.True(token.Token >= 0);
        Assert.Equal(192, (await loop.SaveKvAsync(_file, first.Tokens.ToArray())).Tokens);
        Assert.Equal(192, (await loop.LoadKvAsync(_file)).Tokens);
        Assert.Equal(KvasirError.FileNotFound, (await Assert.ThrowsAsync<KvasirException>(() => loop.LoadKvAsync(_file + "x"))).Error);
        loop.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => loop.LoadKvAsync(_file));
    }

    private void AssertRefused(Model model, EngineOptions options, string message)
    {
        using var engine = new Engine(model, options);
        var refusal = Assert.Throws<KvasirException>(() => engine.LoadKv(_file));
        Assert.Equal(KvasirError.Unsupported, refusal.Error);
        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
        Assert.Equal((0, 0), (engine.KvBytesInUse, engine.Prefixes.Tokens));
    }

    // Prompt, answer and a second prompt behind them: as it is answered by one who has computed nothing of that before.
    private void AssertAsCold(EngineOptions options, string policy)
    {
        var request = Generation.Greedy(20) with { Attention = KeyAxesFile.Parse(policy) };
        var first = Save(options, request, out var saved);
        int[] second = [.. first.Sequence.Tokens, .. _text[400..440]];
        using var warm = new Engine(_model, options);
        using var cold = new Engine(_model, options with { PrefixCache = false });
        Assert.Equal((192, 192), (saved.Tokens, warm.LoadKv(_file, second, request).Tokens));
        var (expected, actual) = (Generation.Run(cold, second, request), Generation.Run(warm, second, request));
        Assert.Equal(192, actual.Sequence.CachedTokens);
        Assert.True(expected.Tokens.SequenceEqual(actual.Tokens), $"{policy}: {string.Join(' ', expected.Tokens)} cold, {string.Join(' ', actual.Tokens)} loaded");
        Assert.Equal(expected.Logprobs, actual.Logprobs);
        Assert.Equal(expected.Sequence.ReadsByLayer(), actual.Sequence.ReadsByLayer());
    }

    private Generation Save(EngineOptions options, GenerationOptions request, out KvFileUse saved)
    {
        using var engine = new Engine(_model, options);
        var answer = Generation.Run(engine, _text[..PromptTokens], request);
        KvFileUse? told = null;
        saved = engine.SaveKv(_file, answer.Sequence.Tokens, request, use => told = use);
        engine.Verify();
        Assert.Equal(saved, told);
        return answer;
    }
}
