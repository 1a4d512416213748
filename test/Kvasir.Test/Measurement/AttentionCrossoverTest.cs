using Kvasir.Attention.Policies;
using Kvasir.Measurement;

namespace Kvasir.Test.Measurement;

public sealed class AttentionCrossoverTest
{
    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("int8")]
    public void AFewKeysPayAtOnceAndAllOfThemNever(Kv kv) => AssertFound(kv, static reads => reads.RowsRead);

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("int8")]
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
