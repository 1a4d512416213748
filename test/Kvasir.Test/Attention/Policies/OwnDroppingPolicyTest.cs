using Kvasir.Attention;
using Kvasir.Kernels.Attention.Formats;
using OwnPolicy;

namespace Kvasir.Test.Attention.Policies;

/// <summary>A policy of another assembly that drops rows: the sample's, which needs nothing but what is public.</summary>
public sealed class OwnDroppingPolicyTest : IDisposable
{
    private const int PageRows = SharedPrompt.UnitTokens;
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _prompt;

    public OwnDroppingPolicyTest() => _prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("The cat sat on the mat and looked at the big red ball. ", 40)))[..330];

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32", 4)]
    [InlineData("bf16", 3)]
    [InlineData("q8", 7)]
    public void AnswersAreThoseOfAnAuditedSequenceWhichKeepsItsRows(Kv format, int step)
    {
        var options = Generation.Greedy(110) with { Attention = Thinned(step) };
        using var engine = new Engine(_model, Options(format));
        var (dropping, keeping) = (Generation.Run(engine, _prompt, options), Generation.Run(engine, _prompt, options with { AuditShare = 0.05 }));
        engine.Verify();
        Assert.Equal(keeping.Tokens, dropping.Tokens);
        Assert.Equal(keeping.Logprobs, dropping.Logprobs);
        Assert.Equal(keeping.Sequence.ReadsByLayer(), dropping.Sequence.ReadsByLayer());
    }

    [Fact]
    public void WhatIsDroppedIsMemoryThatIsFree()
    {
        var policy = Thinned(8);
        using var engine = new Engine(_model, Options(KvFormat.BF16));
        var sequence = new Sequence(_prompt, Generation.Greedy(100) with { Attention = policy });
        engine.Submit(sequence);
        var planned = policy.RowsKeptAt(_model.Config.Attention, 0, _prompt.Length);
        // 330 rows: 64 and 4 at the ends, every eighth of 262.
        Assert.InRange(planned, 68 + (262 / 8), 69 + (262 / 8));
        while (engine.Step())
        {
            engine.Verify();
            if (sequence.Finish != FinishReason.None || sequence.GeneratedCount == 0)
                continue;
            // An eighth of what comes stays, and up to a page waits, which may begin another, as may the asking every 16 tokens.
            var pages = engine.KvBytesInUse / (PageRows * engine.Plan.KvBytesPerToken);
            Assert.InRange(pages, planned / PageRows, (planned + (sequence.GeneratedCount / 8) + 48 + PageRows - 1) / PageRows);
        }
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void KeepingEverythingEqualsDense()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32));
        var keeping = new PolicySpec(OwnPolicy.Thinned.Entry).With("step", "1").With("min-context", "0").Create();
        Generation.Run(engine, _prompt, Generation.Greedy(40) with { Attention = keeping }).AssertEquals(Generation.Run(engine, _prompt, Generation.Greedy(40)), 1e-3, "dense");
    }

    private static AttentionPolicy Thinned(int step) => new PolicySpec(OwnPolicy.Thinned.Entry).With("step", $"{step}").With("min-context", "0").Create();

    private static EngineOptions Options(KvFormat format) => new() { Threads = 1, Kv = format, KvMemoryBytes = 64 << 20, BatchTokens = 512 };
}
