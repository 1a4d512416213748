using Kvasir.Forward;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Forward;

/// <summary>Which experts rows go through: against a stable sort and a softmax in double precision.</summary>
public sealed class ExpertRouterTest
{
    // Few different values, so that most rows have ties, also between the last that is chosen and the first that is not.
    [Theory]
    [InlineData(1, 1, 1, RouterKind.OfChosen)]
    [InlineData(3, 7, 3, RouterKind.OfChosen)]
    [InlineData(40, 9, 9, RouterKind.OfAll)]
    [InlineData(17, 128, 8, RouterKind.OfChosen)]
    [InlineData(33, 64, 8, RouterKind.OfAll)]
    public void TheLargestAreChosenAndOfEqualOnesTheLowerIndex(int rows, int count, int used, RouterKind kind)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var shape = new ExpertShape { Count = count, Used = used, Width = 1, Router = kind, Scale = 1.5f };
        var says = Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, count).Select(_ => random.Next(-3, 4) * 0.75f).ToArray()).ToArray();
        var router = Routed(shape, says, workers: 1);
        for (var row = 0; row < rows; row++)
        {
            int[] chosen = [.. Enumerable.Range(0, count).OrderByDescending(expert => says[row][expert]).Take(used)];
            var total = (kind == RouterKind.OfAll ? says[row] : [.. chosen.Select(expert => says[row][expert])]).Sum(s => Math.Exp(s));
            for (var rank = 0; rank < used; rank++)
            {
                var slot = router.SlotOf(row, rank);
                Assert.True((row, chosen[rank]) == (router.RowOf(slot), router.ExpertOf(slot)), $"seed {seed}, row {row}, rank {rank}");
                Assert.Equal(1.5 * Math.Exp(says[row][chosen[rank]]) / total, router.WeightOf(row, rank), 1e-6);
            }
        }
    }

    [Fact]
    public void SlotsOfAnExpertLieTogetherInTheOrderOfTheirRows()
    {
        var random = new Random(7);
        var shape = new ExpertShape { Count = 11, Used = 4, Width = 1 };
        var says = Enumerable.Range(0, 50).Select(_ => Enumerable.Range(0, 11).Select(_ => random.NextSingle()).ToArray()).ToArray();
        var router = Routed(shape, says, workers: 3);
        Assert.Equal(200, router.SlotCount);
        Assert.Equal((0, 200), (router.FirstSlot(0), router.FirstSlot(11)));
        for (var expert = 0; expert < 11; expert++)
        {
            int[] slots = [.. Enumerable.Range(router.FirstSlot(expert), router.RowsOf(expert))];
            Assert.All(slots, slot => Assert.Equal(expert, router.ExpertOf(slot)));
            int[] rows = [.. slots.Select(router.RowOf)];
            Assert.Equal(rows.Order().Distinct(), rows);
        }
    }

    // What a faulty row says reaches its own weights alone; there are as many experts as ever.
    [Fact]
    public void RowsThatAreNoNumbersChooseDifferentExpertsToo()
    {
        float[][] says = [[float.NaN, float.NaN, float.NaN, float.NaN], [0, 1, 2, 3], [1, float.NaN, float.PositiveInfinity, 2]];
        var router = Routed(new ExpertShape { Count = 4, Used = 2, Width = 1 }, says, workers: 1);
        for (var row = 0; row < 3; row++)
            Assert.NotEqual(router.ExpertOf(router.SlotOf(row, 0)), router.ExpertOf(router.SlotOf(row, 1)));
        Assert.True(float.IsNaN(router.WeightOf(0, 0)));
        Assert.Equal(1, router.WeightOf(1, 0) + router.WeightOf(1, 1), 1e-6);
        Assert.Equal((3, 2), (router.ExpertOf(router.SlotOf(1, 0)), router.ExpertOf(router.SlotOf(1, 1))));
    }

    private static ExpertRouter Routed(ExpertShape shape, float[][] says, int workers)
    {
        using var pool = new WorkerPool(workers);
        using var logits = new NativeBuffer(says.Length * shape.Count * sizeof(float));
        says.SelectMany(static row => row).ToArray().CopyTo(logits.Span<float>(says.Length * shape.Count));
        var router = new ExpertRouter(says.Length, shape);
        router.Route(pool, shape, logits.View, says.Length);
        return router;
    }
}
