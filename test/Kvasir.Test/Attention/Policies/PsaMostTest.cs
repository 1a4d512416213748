using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Synthetic;

namespace Kvasir.Test.Attention.Policies;

/// <summary><c>psa:most</c>: a head reads no more than a share of the blocks, the best of them, and it is said how often that cut it short.</summary>
public sealed class PsaMostTest
{
    private const int BlockRows = 8;
    private const string Zones = "block=8,sinks=8,recent=16,min-context=0";

    [Theory]
    [InlineData("", 300)]
    [InlineData("unit=layer,", 300)]
    [InlineData("group=3,", 301)]
    [InlineData("", 60)]
    public void AHeadThatIsNeverCoveredReadsItsShareAndIsCounted(string options, int depth)
    {
        using var model = Model.Synthetic("tiny", SyntheticWeights.Q8_0, options: new ModelOptions { Repack = false });
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20, ContextTokens = 512, MaxSequences = 2 });
        using var probe = new EngineProbe(engine, PolicyCatalog.Parse($"psa:{options}coverage=1,most=0.25,{Zones}"), 400, seed: 3);
        probe.FillRandom(depth);
        const int Steps = 40;
        probe.Decode(1, Steps);
        var heads = model.Config.KvHeadCount;
        var blocks = Enumerable.Range(depth + 1, Steps).Select(static rows => ((rows - 16) / BlockRows) - 1).ToArray();
        var wanted = blocks.Sum(static count => Math.Max(4, (int)MathF.Ceiling(0.25f * count)));
        // Who reads all that there is was not cut short.
        var cut = blocks.Count(static count => count > 4);
        foreach (var layer in probe.Reads)
            Assert.Equal((heads * wanted, heads * cut), (layer.BlocksRead, layer.Cut));
    }

    // Choosing so many of so many costs more than reading the others would, which a head without a bound does then for some steps.
    [Fact]
    public void MostOfManyBlocksIsStillABoundInEveryStep()
    {
        using var model = Model.Synthetic("tiny", SyntheticWeights.Q8_0, options: new ModelOptions { Repack = false });
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20, ContextTokens = 512 });
        using var probe = new EngineProbe(engine, PolicyCatalog.Parse("psa:coverage=1,most=0.8,block=2,sinks=2,recent=4,min-context=0"), 400, seed: 3);
        probe.FillRandom(300);
        const int Steps = 8;
        probe.Decode(1, Steps);
        var wanted = Enumerable.Range(301, Steps).Sum(static rows => (int)MathF.Ceiling(0.8f * (((rows - 4) / 2) - 1)));
        Assert.All(probe.Reads.ToArray(), layer => Assert.Equal(model.Config.KvHeadCount * wanted, layer.BlocksRead));
    }

    // And with it no blocks are drawn by chance, which would lie anywhere on file.
    [Fact]
    public void WhereItDoesNotBindNothingChanges()
    {
        using var model = Model.Synthetic("tiny", SyntheticWeights.Q8_0, options: new ModelOptions { Repack = false });
        var reads = new List<LayerReads[]>();
        foreach (var most in new[] { "1,tail=last-mean", "0.9" })
        {
            using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20, ContextTokens = 512 });
            using var probe = new EngineProbe(engine, PolicyCatalog.Parse($"psa:coverage=0.3,most={most},{Zones}"), 400, seed: 3);
            probe.FillRandom(300);
            probe.Decode(1, 20);
            reads.Add(probe.Reads.ToArray());
        }

        Assert.Equal(reads[0], reads[1]);
        Assert.All(reads[1], static layer => Assert.Equal(0, layer.Cut));
    }

    [Theory]
    [InlineData(1, 700, 1)]
    [InlineData(3, 707, 2)]
    [InlineData(7, 200, 3)]
    public void MoreOfItReadsTheSameAndMore(int group, int rows, int seed)
    {
        using var head = new LoneHead(new HeadPlace(0, 1, 0, group, 16, 1024), rows, seed);
        HashSet<int> before = [];
        foreach (var most in new[] { "0.05", "0.2", "0.5", "0.99", "1" })
        {
            using var selector = PolicyCatalog.Parse($"psa:coverage=1,most={most},{Zones}").CreateSelector(new HeadPlace(0, 1, 0, group, 16, 1024));
            head.AppendTo(selector, 0, rows);
            head.Attend(selector);
            Assert.True(before.IsSubsetOf(head.LastRead), $"seed {seed}, most={most}");
            Assert.True(head.LastRead.Count > before.Count || most == "1", $"seed {seed}, most={most}: {head.LastRead.Count} rows");
            before = [.. head.LastRead];
        }

        Assert.Equal(rows, before.Count);
    }
}
