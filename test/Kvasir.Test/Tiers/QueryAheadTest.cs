using Kvasir.Attention.Policies;
using Kvasir.Measurement;

namespace Kvasir.Test.Tiers;

/// <summary>Which reads begin before the layer chooses that wants them: counted, since what that hides is a matter of the machine.</summary>
public sealed class QueryAheadTest : IDisposable
{
    private const int Rows = 960;
    private const int Steps = 12;
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    // Foretold exactly, what is missing is on its way before a layer asks, and nothing else is read; but in the first layer, of which nothing is known.
    [Theory]
    [InlineData("quest:share=0.1,page=32,dense-layers=none,min-context=0", 1)]
    [InlineData("quest:share=0.15,page=16,sinks=2,recent=4,dense-layers=none,min-context=0", 2, Traits = ["Needs", "Minutes"])]
    [InlineData("psa:coverage=1,most=0.1,block=32,sinks=2,recent=4,min-context=0", 2, Traits = ["Needs", "Minutes"])]
    public void WhatIsForetoldExactlyIsOnItsWayBeforeItsLayerAsks(string policy, int threads)
    {
        var figures = Decode(policy, threads, PageAhead.On, foresight: 1);
        var (first, others) = (figures.Layers[0].Misses, figures.Layers.Skip(1).Sum(static layer => layer.Misses));
        Assert.True(first > 20 && others > 100, figures.ToString());
        // What later rounds want, and what there is no room for in memory, is not.
        Assert.InRange(figures.ForetoldUsed, 0.9 * others, others);
        Assert.Equal(figures.Foretold, figures.ForetoldUsed);
    }

    // As many pages are missing whether they are foretold or not; what is foretold by chance is read for nothing.
    [Theory]
    [InlineData(0, 0.5, Traits = ["Needs", "Minutes"])]
    [InlineData(0.9, 1)]
    public void WhatIsForetoldWronglyIsReadForNothing(double foresight, double mostWanted)
    {
        const string Policy = "quest:share=0.1,page=32,dense-layers=none,min-context=0";
        var figures = Decode(Policy, threads: 1, PageAhead.On, foresight);
        Assert.InRange(figures.ForetoldUsed, 1, (mostWanted * figures.Foretold) - 1);
        Assert.True(figures.ForetoldUsed < figures.Layers.Skip(1).Sum(static layer => layer.Misses), figures.ToString());
        var off = Decode(Policy, threads: 1, PageAhead.Off, foresight);
        Assert.Equal((0, 0), (off.Foretold, off.ForetoldUsed));
        Assert.True(off.Misses > 100, off.ToString());
    }

    private PageFigures Decode(string name, int threads, PageAhead ahead, double foresight)
    {
        var policy = PolicyCatalog.Parse(name);
        using var engine = new Engine(_model, new EngineOptions
        {
            Threads = threads,
            Attention = policy,
            KvMemoryBytes = (KvBytes() / 2) + policy.IndexBytesAt(_model.Config.Attention, Rows, Rows + 64, Rows + 64) + 400_000,
            ContextTokens = 1024,
            MaxSequences = 1,
            KvStore = static bytes => new MemoryStore(bytes, 4000) { MostDelay = 3 },
            KvAhead = ahead,
        });
        using var probe = new EngineProbe(engine, policy, Rows + 64, seed: 5) { Reuse = 0.5, Foresight = foresight };
        probe.FillRandom(Rows);
        // The first step comes behind indexing, which reads all rows.
        probe.Decode(1, 1);
        var before = engine.Figures.KvFiles!.Value;
        probe.Decode(1, Steps);
        var after = engine.Figures.KvFiles!.Value;
        return after with
        {
            Misses = after.Misses - before.Misses,
            Foretold = after.Foretold - before.Foretold,
            ForetoldUsed = after.ForetoldUsed - before.ForetoldUsed,
            Layers = [.. after.Layers.Select((layer, i) => (layer.Hits - before.Layers[i].Hits, layer.Misses - before.Layers[i].Misses))],
        };
    }

    private long KvBytes()
    {
        var shape = _model.Config.Attention;
        return 2L * Rows * shape.Dim * sizeof(ushort) * shape.TotalKvHeads;
    }
}
