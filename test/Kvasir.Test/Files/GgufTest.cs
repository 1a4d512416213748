using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Test.Models;

namespace Kvasir.Test.Files;

public sealed class GgufTest
{
    [Fact]
    public void EveryValueTypeIsReadBack()
    {
        using var folder = new TempFolder();
        var writer = new GgufWriter()
            .Set("u8", (byte)200).Set("i8", (sbyte)-100).Set("u16", (ushort)60000).Set("i16", (short)-30000).Set("u32", uint.MaxValue)
            .Set("i32", int.MinValue).Set("u64", (ulong)long.MaxValue).Set("i64", long.MinValue).Set("f32", 0.5f).Set("f64", 1e300)
            .Set("yes", true).Set("text", "grüße").Set("texts", new[] { "a", "", "c" }).Set("floats", new[] { 1f, -2f }).Set("ints", new[] { 1, -2 });
        using var file = Gguf.Open(folder.Write("types.gguf", writer.Build()));
        var metadata = file.Metadata;
        long[] integers = [200, -100, 60000, -30000, uint.MaxValue, int.MinValue, long.MaxValue, long.MinValue];
        Assert.Equal(integers, ((string[])["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"]).Select(key => metadata.Integer(key)!.Value));
        Assert.Equal((0.5, 1e300, 200.0), (metadata.Number("f32"), metadata.Number("f64"), metadata.Number("u8")));
        Assert.Equal((true, "grüße"), (metadata.Boolean("yes"), metadata.String("text")));
        Assert.Equal(["a", "", "c"], metadata.Strings("texts")!);
        Assert.Equal([1f, -2f], metadata.Numbers("floats")!);
        Assert.Equal([1, -2], metadata.Integers("ints")!);
        Assert.Equal(15, metadata.Keys.Count);
    }

    [Fact]
    public void MissingKeyGivesNull()
    {
        using var folder = new TempFolder();
        using var file = Gguf.Open(folder.Write("tiny.gguf", TinyModel.Gguf().Build()));
        var metadata = file.Metadata;
        Assert.False(metadata.Contains("none"));
        Assert.Equal((null, null, null, null), (metadata.String("none"), metadata.Integer("none"), metadata.Number("none"), metadata.Boolean("none")));
        Assert.True(metadata.Strings("none") is null && metadata.Numbers("none") is null && metadata.Integers("none") is null && metadata.Count("none") is null);
    }

    [Fact]
    public void VersionTwoIsReadLikeThree()
    {
        using var folder = new TempFolder();
        using var file = Gguf.Open(folder.Write("two.gguf", TinyModel.Gguf().Patch("version", 2).Build()));
        Assert.Equal(12, file.Tensors.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(4096)]
    public void AlignmentOfTheFileIsHonoured(int alignment)
    {
        using var folder = new TempFolder();
        byte[] first = [1, 2, 3, 4];
        byte[] second = [5, 6, 7, 8, 9, 10, 11, 12];
        var writer = new GgufWriter { Alignment = alignment }
            .Set("general.alignment", (uint)alignment)
            .Tensor("first", WeightType.F32, [1], first)
            .Tensor("second", WeightType.F16, [2, 2], second);
        using var file = Gguf.Open(folder.Write("aligned.gguf", writer.Build()));
        Assert.True(file.TryFind("second", out var tensor));
        Assert.Equal((WeightType.F16, 2), (tensor.Type, tensor.Shape.Length));
        Assert.Equal(first, file.Tensors[0].View.Span(0, 4).ToArray());
        Assert.Equal(second, tensor.View.Span(0, 8).ToArray());
    }

    [Theory]
    [InlineData(WeightType.F32, 1, 4)]
    [InlineData(WeightType.F16, 1, 2)]
    [InlineData(WeightType.BF16, 1, 2)]
    [InlineData(WeightType.Q8_0, 32, 34)]
    [InlineData(WeightType.Q4_0, 32, 18)]
    [InlineData(WeightType.Q4_1, 32, 20)]
    [InlineData(WeightType.Q5_0, 32, 22)]
    [InlineData(WeightType.Q5_1, 32, 24)]
    [InlineData(WeightType.Q4_K, 256, 144)]
    [InlineData(WeightType.Q5_K, 256, 176)]
    [InlineData(WeightType.Q6_K, 256, 210)]
    [InlineData(WeightType.Q2_K, 256, 84)]
    [InlineData(WeightType.Q3_K, 256, 110)]
    [InlineData(WeightType.IQ4_NL, 32, 18)]
    [InlineData(WeightType.IQ4_XS, 256, 136)]
    [InlineData(WeightType.MXFP4, 32, 17)]
    public void EveryWeightTypeTakesTheBytesOfItsBlocks(WeightType type, int blockElements, int blockBytes)
    {
        using var folder = new TempFolder();
        var writer = new GgufWriter().Tensor("w", type, [2 * blockElements, 3], new byte[6 * blockBytes]);
        using var file = Gguf.Open(folder.Write("types.gguf", writer.Build()));
        Assert.Equal((type, 6L * blockBytes), (file.Tensors[0].Type, file.Tensors[0].View.Bytes));
    }

    [Fact]
    public void VocabularyCostsNothingUntilItIsAskedFor()
    {
        using var folder = new TempFolder();
        var tokens = Enumerable.Range(0, 50_000).Select(i => $"token {i}").ToArray();
        var path = folder.Write("vocabulary.gguf", new GgufWriter().Set("tokens", tokens).Build());
        Assert.InRange(AllocatedBytes.Of(() => Gguf.Open(path).Dispose()), 1, 64 << 10);
        using var file = Gguf.Open(path);
        Assert.Equal(50_000, file.Metadata.Count("tokens"));
        Assert.Equal(tokens, file.Metadata.Strings("tokens"));
    }

    [Fact]
    public void MetadataOfAClosedFileIsRefused()
    {
        using var folder = new TempFolder();
        var file = Gguf.Open(folder.Write("tiny.gguf", TinyModel.Gguf().Build()));
        var metadata = file.Metadata;
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => metadata.String("general.name"));
    }
}
