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
    public void AFewKeysPayAtOnceAndAllOfThemNever(Kv kv)
    {
        using var model = Generation.LoadStories();
        var crossover = new AttentionCrossover(model.Config, kv);
        Assert.Equal(AttentionCrossover.LeastDepth, crossover.Find(PolicyCatalog.Parse("streaming:sinks=1,recent=8,min-context=0"), 2 * AttentionCrossover.LeastDepth));
        Assert.Null(crossover.Find(PolicyCatalog.Parse("topk:share=1,min-context=0"), 2 * AttentionCrossover.LeastDepth));
        Assert.Null(crossover.Find(PolicyCatalog.Parse("streaming:sinks=1,recent=8,min-context=0"), AttentionCrossover.LeastDepth - 1));
    }
}
