using Kvasir.Attention.Policies;
using Kvasir.Measurement;

namespace Kvasir.Test.Measurement;

public sealed class AttentionCrossoverTest
{
    public static TheoryData<string> Types => ["f32", "bf16", "q8", "int8"];

    [Theory]
    [MemberData(nameof(Types))]
    public void AFewKeysPayAtOnceAndAllOfThemNever(Kv kv) => AssertFound(kv, static reads => reads.RowsRead);

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Types))]
    public void SoTheClockSays(Kv kv) => AssertFound(kv, cost: null);

    private static void AssertFound(Kv kv, Func<LayerReads, double>? cost)
    {
        using var model = Generation.LoadStories();
        var crossover = new AttentionCrossover(model.Config, kv, cost);
        Assert.Equal(AttentionCrossover.LeastDepth, crossover.Find(PolicyCatalog.Parse("streaming:sinks=1,recent=8,min-context=0"), 2 * AttentionCrossover.LeastDepth));
        Assert.Null(crossover.Find(PolicyCatalog.Parse("topk:share=1,min-context=0"), 2 * AttentionCrossover.LeastDepth));
        Assert.Null(crossover.Find(PolicyCatalog.Parse("streaming:sinks=1,recent=8,min-context=0"), AttentionCrossover.LeastDepth - 1));
    }
}
