using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Test.Models;

namespace Kvasir.Test.Files;

/// <summary>Sound and damaged safetensors files, single and in shards.</summary>
public sealed class SafetensorsTest
{
    private const string Index = "model.safetensors.index.json";

    [Theory]
    [InlineData("F32", WeightType.F32, 4)]
    [InlineData("F16", WeightType.F16, 2)]
    [InlineData("BF16", WeightType.BF16, 2)]
    public void EachTypeIsReadWhereItLies(string name, WeightType type, int bytes)
    {
        using var folder = new TempFolder();
        byte[] content = [.. Enumerable.Range(1, 6 * bytes).Select(i => (byte)i)];
        var writer = new SafetensorsWriter().Tensor("before", "F16", [1], [0, 0]).Tensor("w", name, [2, 3], content).Tensor("none", "F32", [0, 5], []);
        using var file = Safetensors.Open(folder.Write("one.safetensors", writer.Build()));
        Assert.True(file.TryFind("w", out var tensor));
        Assert.Equal((type, folder.File("one.safetensors")), (tensor.Type, tensor.File));
        Assert.Equal([2L, 3L], tensor.Shape);
        Assert.Equal(content, tensor.View.Span(0, content.Length).ToArray());
        Assert.Equal(3, file.Tensors.Count);
    }

    [Fact]
    public void HeaderMayBePaddedWithSpaces() => Assert.Single(Open("""{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}      """));

    [Fact]
    public void OtherTypeIsRefusedByNameWhenItIsAskedFor()
    {
        using var folder = new TempFolder();
        var path = folder.Write("one.safetensors", new SafetensorsWriter().Tensor("a", "F8_E4M3", [2], [1, 2]).Tensor("b", "F16", [1], [1, 2]).Build());
        using var file = Safetensors.Open(path);
        Assert.Equal("b", Assert.Single(file.Tensors).Name);
        Assert.False(file.TryFind("c", out _));
        Assert.Equal(
            $"{path}: tensor 'a' has the dtype 'F8_E4M3'; supported are F32, F16, BF16",
            Assert.Throws<KvasirException>(() => file.TryFind("a", out _)).Message);
    }

    [Fact]
    public void HeaderBeyondTheLimitNamesBoth() => AssertBuiltRefused(new SafetensorsWriter().Build(headerBytes: 1UL << 60), "length is 1152921504606846976", "100000000");

    [Fact]
    public void HeaderBeyondTheFileNamesBoth() => AssertBuiltRefused(new SafetensorsWriter().Build(headerBytes: 1000), "length is 1000");

    [Fact]
    public void RepeatedTensorIsNamed() => AssertRefused($"{{{Body()},{Body()}}}", "tensor 'a' occurs twice");

    [Fact]
    public void RepeatedFieldIsNamed() => AssertRefused("""{"a":{"dtype":"F16","dtype":"F16","shape":[1],"data_offsets":[0,2]}}""", "tensor 'a' has dtype twice");

    [Fact]
    public void MissingFieldIsNamed() => AssertRefused("""{"a":{"dtype":"F16","data_offsets":[0,2]}}""", "tensor 'a' lacks shape");

    [Fact]
    public void DeepHeaderIsRefused() => AssertRefused($"{{\"__metadata__\":{new string('[', 50_000)}{new string(']', 50_000)}}}", "not valid JSON");

    [Fact]
    public void TextBehindTheHeaderIsRefused() => AssertRefused($"{Entry()} {{}}", "not valid JSON");

    [Fact]
    public void NameThatIsNoUnicodeIsRefused() => AssertRefused("""{"\ud800":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}""", "not valid JSON");

    [Fact]
    public void NegativeSizeIsRefused() => AssertRefused(Entry(shape: "[-1]"), "the shape of tensor 'a'");

    [Fact]
    public void ProductOfSizesBeyond64BitsIsRefused() => AssertRefused(Entry(shape: "[4611686018427387904,4]"), "tensor 'a' of F16 [4611686018427387904, 4] does not take the 2 bytes");

    [Fact]
    public void TooManyDimensionsAreRefused() => AssertRefused(Entry(shape: "[1,1,1,1,1,1,1,1,1]"), "the shape of tensor 'a' holds more than 8");

    [Fact]
    public void OffsetsOtherThanTheShapeAreRefused() => AssertRefused(Entry(shape: "[2]"), "tensor 'a' of F16 [2] does not take the 2 bytes of its data_offsets [0, 2]");

    [Fact]
    public void OffsetsBackwardsAreRefused() => AssertRefused(Entry(offsets: "[2,0]"), "tensor 'a' has the data_offsets [2, 0]");

    [Fact]
    public void OverlapIsRefused() => AssertRefused($"{{{Body()},{Body("b", offsets: "[0,2]")}}}", "begins at offset 0; 2 was expected");

    [Fact]
    public void HoleIsRefused() => AssertRefused($"{{{Body()},{Body("b", offsets: "[4,6]")}}}", "tensor 'b' begins at offset 4; 2 was expected");

    [Fact]
    public void TensorBeyondTheFileIsRefused() => AssertRefused($"{{{Body()},{Body("b", offsets: "[2,4]")}}}", "tensor 'b' ends at offset 4", "2 bytes");

    [Fact]
    public void BytesBehindTheLastTensorAreRefused() => AssertRefused("{}", "end at offset 0", "2 bytes");

    [Fact]
    public void FolderWithoutFilesNamesWhatItLacks()
    {
        using var folder = new TempFolder();
        var exception = Assert.Throws<KvasirException>(() => Safetensors.Open(folder.Path));
        Assert.Equal((KvasirError.FileNotFound, $"{folder.Path} holds neither model.safetensors nor {Index}"), (exception.Error, exception.Message));
    }

    [Fact]
    public void ShardsMakeOneModel()
    {
        using var folder = new TempFolder();
        WriteShards(folder, """{"a": "1.safetensors", "b": "2.safetensors"}""");
        using var files = Safetensors.Open(folder.Path);
        Assert.Equal(["a", "b"], files.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(folder.File(Index), files.Path);
    }

    [Theory]
    [InlineData("../1.safetensors")]
    [InlineData("/etc/1.safetensors")]
    [InlineData("sub/1.safetensors")]
    [InlineData("..\\\\1.safetensors")]
    [InlineData("C:1.safetensors")]
    [InlineData("model.safetensors.index.json")]
    [InlineData(".safetensors")]
    [InlineData("a\\u0000.safetensors")]
    public void ShardThatIsNoPlainNameIsRefused(string name) => AssertIndexRefused($$"""{"a": "{{name}}"}""", "weight_map puts tensor 'a' into", "same folder");

    [Fact]
    public void MissingShardIsNamed() => AssertIndexRefused("""{"a": "1.safetensors", "b": "3.safetensors"}""", "3.safetensors does not exist");

    [Fact]
    public void TensorInNoShardIsNamed() => AssertIndexRefused("""{"a": "1.safetensors", "c": "2.safetensors"}""", "tensor 'c' should be in '2.safetensors'");

    [Fact]
    public void TensorInAnotherShardIsNamed() =>
        AssertIndexRefused("""{"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}""", "tensor 'b' should be in '1.safetensors', but is in");

    [Fact]
    public void TensorTwiceInTheIndexIsNamed() => AssertIndexRefused("""{"a": "1.safetensors", "a": "2.safetensors"}""", "names tensor 'a' twice");

    [Fact]
    public void IndexWithoutTensorsIsRefused() => AssertIndexRefused("{}", "has no weight_map with tensors");

    [Fact]
    public void TensorInTwoShardsIsNamedWithBoth()
    {
        using var folder = new TempFolder();
        WriteShards(folder, """{"a": "1.safetensors", "b": "2.safetensors"}""");
        folder.Write("2.safetensors", new SafetensorsWriter().Tensor("b", "F16", [1], [0, 0]).Tensor("a", "F16", [1], [0, 0]).Build());
        var exception = Assert.Throws<KvasirException>(() => Safetensors.Open(folder.Path));
        Assert.Equal($"{folder.File("2.safetensors")}: tensor 'a' occurs in {folder.File("1.safetensors")} too", exception.Message);
    }

    private static string Entry(string dtype = "F16", string shape = "[1]", string offsets = "[0,2]") => $"{{{Body("a", dtype, shape, offsets)}}}";

    private static string Body(string name = "a", string dtype = "F16", string shape = "[1]", string offsets = "[0,2]") =>
        $$"""
        "{{name}}":{"dtype":"{{dtype}}","shape":{{shape}},"data_offsets":{{offsets}}}
        """;

    private static IReadOnlyList<SafetensorsTensor> Open(string header)
    {
        using var folder = new TempFolder();
        using var file = Safetensors.Open(folder.Write("one.safetensors", new SafetensorsWriter().Tensor("a", "F16", [1], [1, 2]).Build(header)));
        return file.Tensors;
    }

    // Behind the header lie two bytes.
    private static void AssertRefused(string header, params string[] parts) =>
        AssertBuiltRefused(new SafetensorsWriter().Tensor("a", "F16", [1], [1, 2]).Build(header), parts);

    private static void AssertBuiltRefused(byte[] content, params string[] parts)
    {
        using var folder = new TempFolder();
        var path = folder.Write("damaged.safetensors", content);
        var exception = Assert.Throws<KvasirException>(() => Safetensors.Open(path));
        Assert.All(parts.Prepend(path), part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
    }

    private static void AssertIndexRefused(string map, params string[] parts)
    {
        using var folder = new TempFolder();
        WriteShards(folder, map);
        var exception = Assert.Throws<KvasirException>(() => Safetensors.Open(folder.Path));
        Assert.All(parts.Prepend(folder.Path), part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
    }

    private static void WriteShards(TempFolder folder, string map)
    {
        folder.Write("1.safetensors", new SafetensorsWriter().Tensor("a", "F16", [1], [0, 0]).Build());
        folder.Write("2.safetensors", new SafetensorsWriter().Tensor("b", "F16", [1], [0, 0]).Build());
        folder.Write(Index, map == "{}" ? "{}" : $"{{\"weight_map\": {map}}}");
    }
}
