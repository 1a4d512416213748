using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;

namespace Kvasir.Test.Models;

/// <summary>The bundled model in both containers.</summary>
public sealed class StoriesTest
{
    [Fact]
    public void BundledModelIsFoundByNameBesideTheProgram()
    {
        Assert.Contains("stories260K", BundledModels.Names);
        Assert.True(BundledModels.TryFind("Stories260k", out var path));
        Assert.True(File.Exists(path), path);
        Assert.False(BundledModels.TryFind("../models/stories260K", out _));
    }

    [Fact]
    public void BothContainersGiveOneConfigurationExceptForTheRotaryOrder()
    {
        using var gguf = Gguf.Open(TestModels.StoriesGguf);
        var fromGguf = ModelFamilies.Read(gguf);
        var fromFolder = ModelFamilies.Read(TestModels.StoriesFolder);
        Assert.Equal(RopeOrder.Interleaved, fromGguf.Rope.Order);
        Assert.Equal(RopeOrder.Halves, fromFolder.Rope.Order);
        Assert.Equal(fromGguf with { Name = "", Rope = fromGguf.Rope with { Order = RopeOrder.Halves } }, fromFolder with { Name = "" });
        Assert.Equal((5, 64, 172, 8, 4, 8, 512, 512, true), (
            fromGguf.LayerCount, fromGguf.Width, fromGguf.FeedForwardWidth, fromGguf.HeadCount, fromGguf.KvHeadCount, fromGguf.HeadDim,
            fromGguf.VocabularySize, fromGguf.ContextTokens, fromGguf.TiedEmbedding));
    }

    [Fact]
    public void BothContainersGiveEqualNormsAndUnpermutedMatrices()
    {
        using var gguf = TestModels.LoadGguf(TestModels.StoriesGguf, out _);
        using var folder = TestModels.LoadFolder(TestModels.StoriesFolder, out _);
        Assert.Equal(gguf.OutputNorm, folder.OutputNorm);
        AssertEqual(gguf.Embedding, folder.Embedding);
        Assert.Equal(gguf.Bytes, folder.Bytes);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(gguf.Layers[i].AttentionNorm, folder.Layers[i].AttentionNorm);
            Assert.Equal(gguf.Layers[i].FeedForwardNorm, folder.Layers[i].FeedForwardNorm);
            AssertEqual(gguf.Layers[i].Value, folder.Layers[i].Value);
            AssertEqual(gguf.Layers[i].Down, folder.Layers[i].Down);
        }
    }

    [Fact]
    public void QueryRowsOfGgufAreThoseOfTheFolderInInterleavedOrder()
    {
        using var gguf = TestModels.LoadGguf(TestModels.StoriesGguf, out var config);
        using var folder = TestModels.LoadFolder(TestModels.StoriesFolder, out _);
        var half = config.HeadDim / 2;
        for (var head = 0; head < config.HeadCount; head++)
        {
            for (var i = 0; i < config.HeadDim; i++)
            {
                var inHalves = (head * config.HeadDim) + (i % 2 * half) + (i / 2);
                Assert.True(gguf.Layers[2].Query.Row((head * config.HeadDim) + i).SequenceEqual(folder.Layers[2].Query.Row(inHalves)), $"head {head} row {i}");
            }
        }
    }

    private static void AssertEqual(WeightMatrix expected, WeightMatrix actual)
    {
        Assert.Equal((expected.Type, expected.Rows, expected.Columns), (actual.Type, actual.Rows, actual.Columns));
        for (var row = 0; row < expected.Rows; row++)
            Assert.True(expected.Row(row).SequenceEqual(actual.Row(row)), $"row {row}");
    }
}
