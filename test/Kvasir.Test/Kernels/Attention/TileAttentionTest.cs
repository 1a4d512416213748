using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Attention;

/// <summary>On machines without AMX these say only that it is refused.</summary>
public sealed class TileAttentionTest
{
    public static TheoryData<KvFormat, int> Formats()
    {
        var data = new TheoryData<KvFormat, int>();
        foreach (var type in (KvFormat[])[KvFormat.BF16, KvFormat.Q8, KvFormat.Pair(KvFormat.Q8, KvFormat.BF16), KvFormat.Pair(KvFormat.BF16, KvFormat.Q8)])
        {
            foreach (var dim in (int[])[1, 8, 33, 64, 80, 100, 128, 256])
                data.Add(type, dim);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void MatchesDoublePrecision(KvFormat type, int dim)
    {
        foreach (var (group, positions, first) in ((int, int, int)[])[(1, 1, 0), (3, 15, 7), (4, 16, 0), (7, 17, 100), (8, 5, 300), (4, 33, 500)])
            Check(type, dim, new CausalView(first, group, null), positions, seed: 1000 * dim + group);
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
        foreach (var (group, positions, first) in ((int, int, int)[])[(1, 70, 0), (4, 40, 300), (3, 50, 129), (1, 600, 50)])
            Check(KvFormat.BF16, 32, new CausalView(first, group, window), positions, seed: window + group);
    }

    // Scores of hundreds: some weights underflow, and outputs are rescaled from panel to panel.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void ScoresMayRiseAndFallFar(int seed) => Check(KvFormat.BF16, 64, new CausalView(1400, 4, null), 30, seed, queryScale: 30);

    [Theory]
    [InlineData(false, float.NaN)]
    [InlineData(true, float.NaN)]
    [InlineData(true, float.PositiveInfinity)]
    [InlineData(true, float.NegativeInfinity)]
    public void WhatIsNotANumberShows(bool values, float value)
    {
        if (!TileAttention.Supports(KvFormat.BF16))
            return;
        foreach (var row in (int[])[0, 40, 79])
        {
            using var tiles = new TileCase(KvFormat.BF16, 64, new CausalView(80, 4, null), 20, seed: row);
            tiles.Spoil(values, row, value);
            tiles.Run();
            for (var query = 0; query < 80; query++)
                Assert.False(float.IsFinite(tiles.Outputs[query * 64]), $"query {query} does not see row {row}");
        }
    }

    [Fact]
    public void KeysThatNobodySeesDoNotMatter()
    {
        if (!TileAttention.Supports(KvFormat.BF16))
            return;
        // Row 25 is in the panel for the queries of positions 25 to 29, and the key of none of them before.
        using var tiles = new TileCase(KvFormat.BF16, 64, new CausalView(20, 1, null), 10, seed: 5);
        tiles.Run();
        var before = tiles.Outputs.ToArray();
        tiles.Spoil(values: false, 25, float.NaN);
        tiles.Run();
        Assert.Equal(before[..(5 * 64)], tiles.Outputs[..(5 * 64)]);
        Assert.All(tiles.Outputs[(5 * 64)..], x => Assert.True(float.IsNaN(x)));
    }

    [Fact]
    public void NothingIsAllocated()
    {
        if (!TileAttention.Supports(KvFormat.Q8))
            return;
        using var tiles = new TileCase(KvFormat.Q8, 64, new CausalView(100, 4, null), 20, seed: 1);
        tiles.Run();
        Assert.Equal(0, AllocatedBytes.Of(() => tiles.Run()));
    }

    [Fact]
    public void FloatsAreRefusedAndScratchIsMeasured()
    {
        Assert.False(TileAttention.Supports(KvFormat.F32));
        using var floats = new PoisonedPages(KvFormat.F32, 16, 32, 8, new Random(1));
        Assert.Throws<NotSupportedException>(() => TileAttention.Run(
            new float[16], floats.Keys, floats.Values, new CausalView(0, 1, null), default, new float[16]));
        if (!TileAttention.Supports(KvFormat.BF16))
            return;
        using var scratch = new NativeBuffer(TileAttention.ScratchBytes(16, 8) - 1);
        using var pages = new PoisonedPages(KvFormat.BF16, 16, 32, 8, new Random(1));
        Assert.Throws<ArgumentException>(() => TileAttention.Run(
            new float[8 * 16], pages.Keys, pages.Values, new CausalView(0, 1, null), scratch.View, new float[8 * 16]));
        Assert.Throws<ArgumentException>(() => TileAttention.Run(
            new float[8 * 16], pages.Keys, pages.Values, new CausalView(0, 1, null), scratch.View, new float[7 * 16]));
    }

    private static void Check(KvFormat type, int dim, CausalView view, int positions, int seed, float queryScale = 1)
    {
        if (!TileAttention.Supports(type))
            return;
        using var tiles = new TileCase(type, dim, view, positions, seed, queryScale);
        tiles.Run();
        tiles.RequireOutputs();
    }
}
