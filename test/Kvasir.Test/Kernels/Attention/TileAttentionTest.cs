using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Attention;

public sealed class TileAttentionTest
{
    public static TheoryData<KvType, int> Formats()
    {
        var data = new TheoryData<KvType, int>();
        foreach (var type in (KvType[])[KvType.BF16, KvType.Q8])
        {
            foreach (var dim in (int[])[1, 8, 33, 64, 80, 100, 128, 256])
                data.Add(type, dim);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void MatchesDoublePrecision(KvType type, int dim)
    {
        foreach (var (group, positions, first) in ((int, int, int)[])[(1, 1, 0), (3, 15, 7), (4, 16, 0), (7, 17, 100), (8, 5, 300), (4, 33, 500)])
            new TileCase(type, dim, new CausalView(first, group, null), positions, seed: 1000 * dim + group).Check();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(100)]
    [InlineData(1000)]
    public void WindowsHideOlderRows(int window)
    {
        foreach (var (group, positions, first) in ((int, int, int)[])[(1, 70, 0), (4, 40, 300), (3, 50, 129)])
            new TileCase(KvType.BF16, 64, new CausalView(first, group, window), positions, seed: window + group).Check();
    }

    [Fact]
    public void ScoresMayRiseAndFallFar()
    {
        // Scores of hundreds: some weights underflow, and outputs are rescaled from panel to panel.
        foreach (var seed in (int[])[1, 2, 3])
            new TileCase(KvType.BF16, 64, new CausalView(400, 4, null), 30, seed, queryScale: 10).Check();
    }
}
