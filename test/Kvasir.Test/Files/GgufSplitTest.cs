using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Test.Models;

namespace Kvasir.Test.Files;

/// <summary>Models split over several files, named <c>m-00001-of-00003.gguf</c> and so on.</summary>
public sealed class GgufSplitTest
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AnyPartOpensTheWholeModel(int number)
    {
        using var folder = new TempFolder();
        WriteParts(folder);
        using var file = Gguf.Open(folder.File(Name(number)));
        Assert.Equal(folder.File(Name(1)), file.Path);
        Assert.Equal("split", file.Metadata.String("general.name"));
        Assert.Equal(["t1", "t2", "t3"], file.Tensors.Select(tensor => tensor.Name));
        Assert.True(file.TryFind("t3", out var last));
        Assert.Equal((folder.File(Name(3)), (byte)3), (last.File, last.View.Span(0, 1)[0]));
    }

    [Fact]
    public void EachMissingPartIsNamed()
    {
        using var folder = new TempFolder();
        WriteParts(folder);
        File.Delete(folder.File(Name(1)));
        File.Delete(folder.File(Name(3)));
        var exception = Assert.Throws<KvasirException>(() => Gguf.Open(folder.File(Name(2))));
        Assert.Equal((KvasirError.FileNotFound, $"2 of 3 parts are missing: {folder.File(Name(1))}, {folder.File(Name(3))}"), (exception.Error, exception.Message));
    }

    [Fact]
    public void PartUnderAnotherNameIsRefused()
    {
        using var folder = new TempFolder();
        WriteParts(folder);
        File.Move(folder.File(Name(1)), folder.File("renamed.gguf"));
        AssertRefused(folder, "renamed.gguf", "'split.count' is 3", "-00001-of-00003.gguf");
    }

    [Fact]
    public void PartsInTheWrongOrderAreRefused()
    {
        using var folder = new TempFolder();
        WriteParts(folder);
        File.Copy(folder.File(Name(2)), folder.File(Name(3)), overwrite: true);
        AssertRefused(folder, Name(1), Name(3), "'split.no' is 1; 2 was expected");
    }

    [Fact]
    public void PartThatIsNotSplitIsRefused()
    {
        using var folder = new TempFolder();
        WriteParts(folder);
        folder.Write(Name(2), new GgufWriter().Set("x", 1).Build());
        AssertRefused(folder, Name(1), Name(2), "'split.no' is missing");
    }

    [Fact]
    public void TensorInTwoPartsIsNamedWithBoth()
    {
        using var folder = new TempFolder();
        WriteParts(folder);
        folder.Write(Name(3), Part(3).Without("t3").Tensor("t2", WeightType.F16, [1], [0, 0]).Build());
        AssertRefused(folder, Name(1), Name(2), Name(3), "tensor 't2' occurs in");
    }

    [Fact]
    public void TensorCountOfAllPartsIsHeld()
    {
        using var folder = new TempFolder();
        WriteParts(folder);
        folder.Write(Name(3), Part(3).Without("t3").Build());
        AssertRefused(folder, Name(1), "'split.tensors.count' is 3", "hold 2 tensors");
    }

    [Theory]
    [InlineData(-2)]
    [InlineData(60_000)]
    public void PartCountOutsideItsRangeIsRefused(int count)
    {
        using var folder = new TempFolder();
        folder.Write("many.gguf", new GgufWriter().Set("split.count", count).Build());
        AssertRefused(folder, "many.gguf", $"'split.count' is {count}", "4096");
    }

    // The usual tool leaves the keys of the first part and writes 0 parts.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    public void JoinedFileIsWhole(int count)
    {
        using var folder = new TempFolder();
        folder.Write(Name(1), Part(1).Set("split.count", count).Build());
        using var file = Gguf.Open(folder.File(Name(1)));
        Assert.Equal(["t1"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Empty(file.Metadata.Notes.Lines);
    }

    private static void AssertRefused(TempFolder folder, string opened, params string[] parts)
    {
        var exception = Assert.Throws<KvasirException>(() => Gguf.Open(folder.File(opened)));
        Assert.Equal(KvasirError.BadFile, exception.Error);
        Assert.All(parts, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
    }

    private static void WriteParts(TempFolder folder)
    {
        for (var number = 1; number <= 3; number++)
            folder.Write(Name(number), Part(number).Build());
    }

    private static GgufWriter Part(int number)
    {
        var writer = new GgufWriter().Set("split.no", (ushort)(number - 1)).Set("split.count", (ushort)3).Set("split.tensors.count", 3);
        if (number == 1)
            writer.Set("general.name", "split");
        return writer.Tensor($"t{number}", WeightType.F16, [1], [(byte)number, 0]);
    }

    private static string Name(int number) => $"m-{number:D5}-of-00003.gguf";
}
