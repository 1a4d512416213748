using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;

namespace Kvasir.Test.Measurement;

/// <summary>Traces of pages: what is recorded, what their files hold, and what is found of them in memory.</summary>
public sealed class TraceReplayTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFileHoldsWhatWasRecorded()
    {
        var trace = Trace(2, 3, [[0, 1, 2, 5], [], [7], [0, 2, 4], [], []], [[], [], [], [], [], []], [[9], [8, 9], [0], [0], [0], [0, 1]]);
        Assert.Equal("kvasir page trace 1\nmodel a model\npolicy quest\nheads 2 3\nrows 300\n0:0-2,5 2:7 3:0,2,4\n\n0:9 1:8-9 2:0 3:0 4:0 5:0-1\n", Text(trace));
        var read = PageTrace.Read(_folder.Write("trace", Text(trace)));
        Assert.Equal(Text(trace), Text(read));
        Assert.Equal(trace.Steps.Count, read.Steps.Count);
    }

    [Theory]
    [InlineData("", "line 1 is not 'kvasir page trace 1'")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 2\n", "line 4 has not 2 whole numbers")]
    [InlineData("kvasir page trace 1\nmodel a\nheads 2 1\n", "line 3 does not begin with 'policy '")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 0 1\nrows 4\n0:0\n", "names 0 layers")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 2 1\nrows 4\n", "is the end")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 2 1\nrows 4\n0:0\n2:1\n", "line 7 holds '2:1'")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 2 1\nrows 4\n0:3,3\n", "line 6 holds '0:3,3'")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 2 1\nrows 4\n0:3-1\n", "line 6 holds '0:3-1'")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 2 1\nrows 4\n0:1-99999999\n", "line 6 holds")]
    [InlineData("kvasir page trace 1\nmodel a\npolicy b\nheads 2 1\nrows 4\n0\n", "line 6 holds '0'")]
    public void WhatIsNoTraceIsSaidWithItsLine(string text, string problem)
    {
        var refusal = Assert.Throws<KvasirException>(() => PageTrace.Read(_folder.Write("trace", text)));
        Assert.Equal(KvasirError.BadFile, refusal.Error);
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }

    // Of ten pages of a head in sight.
    [Fact]
    public void FiguresAreThoseOfTheSteps()
    {
        int[][][] steps = [.. Enumerable.Range(0, 20).Select(static i => (int[][])[[0, 1 + (i % 9)], []])];
        var trace = Trace(2, 1, steps);
        Assert.Equal(2, trace.PagesPerStep);
        Assert.Equal(0.1, trace.TouchedShare, 1e-9);
        Assert.Equal(0.5, trace.AgainShare, 1e-9);
        Assert.Equal(0, trace.NewPages, 1e-9);
        // What comes back behind twelve others is new, and so is what comes for the first time.
        Assert.Equal(0.5, Trace(2, 1, [.. Enumerable.Range(0, 40).Select(static i => (int[][])[[0, 1 + (i % 13)], []])]).NewPages, 1e-9);
    }

    // Pages of a ring that memory does not hold: the oldest is always the one that comes next.
    [Theory]
    [InlineData(0.25)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void OfARingWhatIsUsedLastFindsNextToNothingAndWhatIsCountedMemorysShare(double pools)
    {
        var replay = new TraceReplay(Trace(4, 2, [.. Enumerable.Range(0, 60).Select(static _ => Enumerable.Repeat(Enumerable.Range(0, 40).ToArray(), 8).ToArray())]));
        // The oldest of a few that are drawn.
        Assert.InRange(replay.Hits(pools, PageEviction.Lru), 0, 0.05);
        Assert.InRange(replay.Hits(pools, PageEviction.Counted), 0.9 * pools, pools);
        Assert.InRange(replay.Optimum(pools), pools - 0.02, pools + 0.02);
    }

    [Fact]
    public void NoOrderFindsMoreThanTheOptimumAndAllFindEverythingWhereAllFits()
    {
        // Seed of the pages: some are read often, most seldom.
        var random = new Random(4);
        int[][][] steps =
        [
            .. Enumerable.Range(0, 60).Select(_ => Enumerable.Range(0, 6).Select(_ => Enumerable.Range(0, 12)
                .Select(_ => (int)(200 * Math.Pow(random.NextDouble(), 3))).Distinct().Order().ToArray()).ToArray()),
        ];
        var replay = new TraceReplay(Trace(3, 2, steps));
        foreach (var pools in new[] { 0.5, 1, 2, 4 })
        {
            var optimum = replay.Optimum(pools);
            foreach (var order in new[] { PageEviction.Counted, PageEviction.Lru, PageEviction.LayerLru })
                Assert.InRange(replay.Hits(pools, order), 0, optimum);
        }

        Assert.True(replay.Hits(200, PageEviction.Counted) > replay.Hits(2, PageEviction.Counted));
        Assert.Equal(replay.Optimum(200), replay.Hits(200, PageEviction.Lru), 1e-9);
    }

    // Two choices by hand: 0 1 2 0 1 2 through two places find 0 or 1 again, and never all.
    [Fact]
    public void TheOptimumIsBeladys()
    {
        int[] uses = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2];
        var replay = new TraceReplay(Trace(1, 1, [.. uses.Select(static page => (int[][])[[page]])]));
        // Behind the first six: 0 is there, 1 is not, 2 is there; and so on: two of four.
        Assert.Equal(0.5, replay.Optimum(2), 0.17);
    }

    [Theory]
    [InlineData("dense")]
    [InlineData("quest:share=0.3,page=8,recent=4,dense-layers=none,min-context=0")]
    [InlineData("psa:min-context=0")]
    public void ARecorderChangesNothingAndKnowsEveryPage(string name)
    {
        using var model = Generation.LoadStories();
        var policy = PolicyCatalog.Parse(name);
        int[] prompt = [.. Enumerable.Range(0, 300).Select(static i => 3 + (i * 11 % 400))];
        var options = new EngineOptions { Threads = 2, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };
        var expected = Generation.Run(model, options, prompt, Generation.Greedy(24) with { Attention = policy });
        var recorder = new PageRecorder(policy, prompt.Length);
        var answer = Generation.Run(model, options, prompt, Generation.Greedy(24) with { Attention = recorder });
        expected.AssertEquals(answer, 1e-4, name);
        var trace = recorder.Trace("stories");
        Assert.Equal((model.Config.LayerCount, model.Config.KvHeadCount, 301, name), (trace.LayerCount, trace.KvHeadCount, trace.Rows, trace.Policy));
        Assert.Equal(23, trace.Steps.Count);
        Assert.All(trace.Steps, (step, index) => Assert.All(step, pages => Assert.InRange(pages.Length, 1, PageTrace.PagesOf(301 + index))));
        if (name == "dense")
            Assert.Equal((1.0, 1.0), (trace.TouchedShare, Math.Round(trace.AgainShare, 2)));
    }

    [Fact]
    public void WhoGivesRowsUpHasNoTrace() =>
        Assert.Contains("gives tokens up", Assert.Throws<KvasirException>(() => new PageRecorder(PolicyCatalog.Parse("streaming"), 3)).Message, StringComparison.Ordinal);

    private static PageTrace Trace(int layers, int kvHeads, params int[][][] steps) =>
        new() { Model = "a model", Policy = "quest", LayerCount = layers, KvHeadCount = kvHeads, Rows = 300, Steps = steps };

    private static string Text(PageTrace trace)
    {
        var writer = new StringWriter { NewLine = "\n" };
        trace.Write(writer);
        return writer.ToString();
    }
}
