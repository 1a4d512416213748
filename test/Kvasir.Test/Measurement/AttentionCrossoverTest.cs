using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Measurement;

namespace Kvasir.Test.Measurement;

public sealed class AttentionCrossoverTest
{
    private static AttentionPolicy Few => PolicyCatalog.Parse("streaming:sinks=1,recent=8,min-context=0");

    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("int8")]
    public void AFewKeysPayAtOnceAndAllOfThemNever(Kv kv)
    {
        using var model = Generation.LoadStories();
        var crossover = new AttentionCrossover(model.Config, kv, static reads => reads.RowsRead);
        Assert.Equal(AttentionCrossover.LeastDepth, crossover.Find(Few, 2 * AttentionCrossover.LeastDepth));
        Assert.Null(crossover.Find(PolicyCatalog.Parse("topk:share=1,min-context=0"), 2 * AttentionCrossover.LeastDepth));
        Assert.Null(crossover.Find(Few, AttentionCrossover.LeastDepth - 1));
    }

    // Of what costs as much as dense a clock may say anything on a busy machine; nine keys of thousands it cannot take for more.

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("int8")]
    public void SoTheClockSays(Kv kv)
    {
        using var model = Generation.LoadStories();
        Assert.Equal(AttentionCrossover.LeastDepth, new AttentionCrossover(model.Config, kv).Find(Few, 2 * AttentionCrossover.LeastDepth));
    }
}
