using CsCheck;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Requests;

/// <summary>The prefix cache is what is not used of the KV memory: whoever computes takes it back, and nothing is lost or counted twice.</summary>
public sealed class PrefixMemoryTest : IDisposable
{
    private const int ColumnRows = 32;
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, BatchTokens = 64, MaxSequences = 3, PrefixCache = true };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public PrefixMemoryTest() =>
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Range(0, 60).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));

    private enum Act
    {
        Ask,
        Continue,
        Cancel,
        Step,
        Run,
    }

    public void Dispose() => _model.Dispose();

    [Fact]
    public void WhatNobodyUsesGoesBeforeAnybodyGivesWay()
    {
        // Columns for two such answers, and three more.
        using var engine = new Engine(_model, Options with { KvMemoryBytes = Columns(15) });
        var options = Generation.Greedy(80);
        var alone = Enumerable.Range(0, 6).Select(i => Generation.Run(_model, Options with { PrefixCache = false }, Prompt(i), options)).ToArray();
        for (var i = 0; i < 6; i += 2)
        {
            var both = new[] { new Sequence(Prompt(i), options), new Sequence(Prompt(i + 1), options) };
            foreach (var one in both)
                engine.Submit(one);
            while (engine.Step())
            {
                engine.Verify();
                Assert.True(both.All(static one => one.GeneratedCount == 0 || one.CachedCount > 0 || one.Finish != FinishReason.None), "somebody gave way");
            }

            for (var j = 0; j < 2; j++)
                Generation.Read(both[j]).AssertEquals(alone[i + j], 1e-3, $"prompt {i + j}");
        }

        Assert.InRange(engine.Prefixes.EvictedColumns, 10, 20);
        // The last ones are there, the first ones are not.
        Assert.Equal(96, Generation.Run(engine, [.. Prompt(5), 3], Generation.Greedy(1)).Sequence.CachedTokens);
        Assert.Equal(0, Generation.Run(engine, [.. Prompt(0), 3], Generation.Greedy(1)).Sequence.CachedTokens);
    }

    [Fact]
    public void ThePreemptedFindTheirRowsAgainWhichIsNoHit()
    {
        using var engine = new Engine(_model, Options with { KvMemoryBytes = Columns(20) });
        var options = Generation.Greedy(380) with { IgnoreEnd = true };
        Sequence[] both = [new(Prompt(0), options), new(Prompt(1), options)];
        foreach (var one in both)
            engine.Submit(one);
        var preempted = 0;
        while (engine.Step())
        {
            engine.Verify();
            preempted += both[1].GeneratedCount > 0 && both[1].CachedCount == 0 && both[1].Finish == FinishReason.None ? 1 : 0;
        }

        Assert.True(preempted > 0, "nobody was preempted");
        var figures = engine.Prefixes;
        Assert.Equal((0L, 200L, 0), (figures.HitTokens, figures.MissTokens, both[1].CachedTokens));
        Assert.InRange(figures.ResumedTokens, 32, 480);
        for (var i = 0; i < 2; i++)
            Generation.Read(both[i]).AssertEquals(Generation.Run(_model, Options with { PrefixCache = false }, Prompt(i), options), 1e-3, $"prompt {i}");
    }

    // A window of 16 rows: what it drops is the cache's alone, and somebody else may have the memory.
    [Theory]
    [InlineData("streaming:sinks=2,recent=14,dense-layers=none,min-context=0")]
    [InlineData("h2o:heavy=0.05,newest=0.05,dense-layers=none,min-context=0")]
    public void WhoDropsRowsLeavesThemToTheCache(string policy)
    {
        var options = Generation.Greedy(60) with { Attention = PolicyCatalog.Parse(policy) };
        var alone = Generation.Run(_model, Options with { PrefixCache = false }, _text[..300], options);
        using var engine = new Engine(_model, Options);
        var sequence = new Sequence(_text.AsSpan(0, 300), options);
        engine.Submit(sequence);
        while (sequence.GeneratedCount < 30)
            engine.Step();
        engine.Verify();
        Assert.Equal((288L, 288L), (engine.Prefixes.Tokens, engine.Prefixes.IdleTokens));
        Assert.InRange(engine.KvBytesInUse - engine.Prefixes.IdleBytes, 1, Columns(4));
        while (engine.Step())
            engine.Verify();
        Generation.Read(sequence).AssertEquals(alone, 1e-3, policy);
        Assert.Equal(288, Generation.Run(engine, [.. _text[..300], 5, 6, 7], Generation.Greedy(1)).Sequence.CachedTokens);
    }

    // Beside the rows that it keeps there is no page left: those that the cache has go for them.
    [Fact]
    public void WhoDropsRowsDoesSoInFullMemoryToo()
    {
        var options = Generation.Greedy(90) with { Attention = PolicyCatalog.Parse("streaming:sinks=2,recent=14,dense-layers=none,min-context=0") };
        using var engine = new Engine(_model, Options with { KvMemoryBytes = Columns(14) });
        Sequence[] both = [new(_text.AsSpan(0, 290), options), new(_text.AsSpan(7, 290), options)];
        foreach (var one in both)
            engine.Submit(one);
        while (engine.Step())
            engine.Verify();
        Assert.All(both, static one => Assert.Equal(FinishReason.Length, one.Finish));
        Generation.Read(both[1]).AssertEquals(Generation.Run(_model, Options with { PrefixCache = false }, _text[7..297], options), 1e-3, "the second");
    }

    [Fact]
    public async Task AnEngineThatRestsGivesItsRowsToOneThatWaits()
    {
        long scratch;
        using (var engine = new Engine(_model, Options))
            scratch = engine.Plan.ScratchBytes;
        var memory = new MemoryBudget((2 * scratch) + Columns(12));
        using var first = new EngineLoop(new Engine(_model, Options with { Memory = memory, KvMemoryBytes = 0 }));
        using var second = new EngineLoop(new Engine(_model, Options with { Memory = memory, KvMemoryBytes = 0 }));
        foreach (var loop in new[] { first, second, first })
        {
            var sequence = new Sequence(_text.AsSpan(0, 290), Generation.Greedy(20));
            await loop.SubmitAsync(sequence);
            Assert.True(SpinWait.SpinUntil(() => sequence.Finish != FinishReason.None, TimeSpan.FromSeconds(60)), "nobody gave memory back");
            Assert.Equal((FinishReason.Length, 0), (sequence.Finish, sequence.CachedTokens));
        }
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhateverConversationsDoEachFindsTheMostThatWasComputedBeforeIt()
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 3], Gen.Int[0, 99]);
        act.Array[5, 40].Sample(acts => Play(acts, 64 << 20, isTight: false), iter: 8);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhateverConversationsDoInLittleMemoryNobodyIsLostAndNoHitIsWrong()
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 3], Gen.Int[0, 99]);
        act.Array[5, 40].Sample(acts => Play(acts, Columns(12), isTight: true), iter: 8);
    }

    // A page of each of five layers of four KV heads.
    private static long Columns(int count) => count * 20 * 2L * 32 * RowCodec.F32.RowBytes(8);

    private int[] Prompt(int number) => _text[(37 * number)..((37 * number) + 100)];

    private void AssertAnswer(Sequence sequence)
    {
        if (sequence.Finish == FinishReason.Cancelled)
            return;
        Assert.Equal(FinishReason.Length, sequence.Finish);
        var cold = Generation.Run(_model, Options with { PrefixCache = false }, sequence.Tokens[..sequence.PromptCount].ToArray(), sequence.Options);
        Generation.Read(sequence).AssertEquals(cold, 1e-3, $"behind {sequence.CachedTokens} tokens that were there");
    }

    private void Play((Act Act, int Who, int Number)[] acts, long bytes, bool isTight)
    {
        using var engine = new Engine(_model, Options with { KvMemoryBytes = bytes });
        var conversations = new Conversations(engine, _text, isTight);
        foreach (var (act, who, number) in acts)
            conversations.Do(act, who, number);
        while (conversations.Step())
        {
        }

        foreach (var sequence in conversations.All)
            AssertAnswer(sequence);
        Assert.Equal(engine.KvBytesInUse, engine.Prefixes.IdleBytes);
        Assert.Equal(conversations.All.Sum(static sequence => (long)sequence.CachedTokens), engine.Prefixes.HitTokens);
    }

    // They branch, stop, go on and come again; what each finds is held to all that was computed before it began.
    private sealed class Conversations(Engine engine, int[] text, bool isTight)
    {
        private readonly List<Sequence> _waiting = [];
        private readonly Dictionary<Sequence, int> _computed = [];

        public List<Sequence> All { get; } = [];

        public void Do(Act act, int who, int number)
        {
            switch (act)
            {
                case Act.Ask:
                    Submit([.. text[..(40 + (30 * who))], .. text[(500 + number)..(530 + number)]]);
                    break;
                case Act.Continue when All.Count > 0:
                    var earlier = All[number % All.Count];
                    if (earlier.TokenCount < 220)
                        Submit([.. earlier.Tokens[..Math.Max(1, earlier.TokenCount - (5 * who))], .. text[number..(number + 20)]]);
                    break;
                case Act.Cancel when All.Count > 0:
                    All[number % All.Count].Cancel();
                    break;
                case Act.Step or Act.Run:
                    for (var i = 0; i < (act == Act.Step ? 1 : number / 4); i++)
                        Step();
                    break;
            }
        }

        public bool Step()
        {
            // The last token of an answer is never computed.
            foreach (var one in All)
                _computed[one] = Math.Max(_computed.GetValueOrDefault(one), Math.Min(one.Finish == FinishReason.Length ? int.MaxValue : one.CachedCount, one.TokenCount - 1));
            var known = All.Select(one => one.Tokens[..(_computed[one] / ColumnRows * ColumnRows)].ToArray()).ToArray();
            var goes = engine.Step();
            engine.Verify();
            foreach (var begun in _waiting.Where(static one => one.CachedCount > one.CachedTokens || one.Finish != FinishReason.None).ToArray())
            {
                _waiting.Remove(begun);
                var prompt = begun.Tokens[..begun.PromptCount].ToArray();
                var most = known.Max(tokens => Math.Min(tokens.AsSpan().CommonPrefixLength(prompt), prompt.Length - 1)) / ColumnRows * ColumnRows;
                var isRight = begun.CachedTokens == most || (begun.CachedTokens < most && (isTight || begun.Finish == FinishReason.Cancelled));
                Assert.True(isRight, $"{begun.CachedTokens} tokens were found of {most}");
            }

            return goes;
        }

        private void Submit(int[] prompt)
        {
            var sequence = new Sequence(prompt, Generation.Greedy(20 + (prompt.Length % 30)));
            engine.Submit(sequence);
            All.Add(sequence);
            _waiting.Add(sequence);
        }
    }
}
