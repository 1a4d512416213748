using System.Text;
using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Test.Models;

namespace Kvasir.Test.Files;

/// <summary>One test per kind of damage: the message names file, key or tensor, value and limit.</summary>
public sealed class GgufDamageTest
{
    private const string Query = "blk.0.attn_q.weight";

    [Fact]
    public void MissingFileIsNamed()
    {
        var exception = Assert.Throws<KvasirException>(() => Gguf.Open("/nowhere/missing.gguf"));
        Assert.Equal((KvasirError.FileNotFound, "/nowhere/missing.gguf does not exist"), (exception.Error, exception.Message));
    }

    [Fact]
    public void FolderIsNoFile() => Assert.Contains("is a folder", Assert.Throws<KvasirException>(() => Gguf.Open(Path.GetTempPath())).Message, StringComparison.Ordinal);

    [Fact]
    public void EmptyFileIsNamed() => AssertRefused([], KvasirError.BadFile, "is empty");

    [Fact]
    public void OtherMagicIsShown() => AssertRefused(Encoding.ASCII.GetBytes("PK\u0003\u0004 and more bytes"), KvasirError.BadFile, "no GGUF file", "0x504b0304");

    [Fact]
    public void VersionOneIsRefusedByNumber() => AssertRefused(TinyModel.Gguf().Patch("version", 1), KvasirError.Unsupported, "version 1", "2 and 3");

    [Fact]
    public void BigEndianIsRefusedByName() => AssertRefused(TinyModel.Gguf().Patch("version", 0x03000000), KvasirError.Unsupported, "big-endian");

    [Fact]
    public void TensorCountBeyondTheLimitNamesBoth() => AssertRefused(TinyModel.Gguf().Patch("tensor count", 1UL << 60), KvasirError.BadFile, "the tensor count is 1152921504606846976", "65536");

    [Fact]
    public void KeyCountBeyondTheFileNamesWhatIsLeft() => AssertRefused(TinyModel.Gguf().Patch("key count", 60_000), KvasirError.BadFile, "the key count is 60000", "bytes that are left");

    [Fact]
    public void LongKeyNamesItsLengthAndTheLimit() =>
        AssertRefused(TinyModel.Gguf().Patch("length key general.name", 1UL << 40), KvasirError.BadFile, "key 1 has a length of 1099511627776", "65535");

    [Fact]
    public void KeyThatIsNotUtf8IsShownWithReplacementCharacters()
    {
        using var folder = new TempFolder();
        var content = TinyModel.Gguf().Set("general.architecture", null).Set("general.name", null).Build();
        content[24 + 8] = 0xFF;
        using var file = Gguf.Open(folder.Write("damaged.gguf", content));
        Assert.Equal("\uFFFDlama.block_count", file.Metadata.Keys.First());
        Assert.EndsWith("damaged.gguf: key 0 is not UTF-8; replacement characters stand for it", Assert.Single(file.Metadata.Notes.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void RepeatedKeyIsNamed() => AssertRefused(TinyModel.Gguf().Repeat("general.name", "again"), KvasirError.BadFile, "'general.name' occurs twice");

    [Fact]
    public void UnknownValueTypeIsNamed() => AssertRefused(TinyModel.Gguf().Patch("type general.name", 13), KvasirError.BadFile, "'general.name' has the value type 13", "12");

    [Fact]
    public void StringBeyondTheFileIsNamed() =>
        AssertRefused(TinyModel.Gguf().Patch("length value general.name", ulong.MaxValue), KvasirError.BadFile, "'general.name'", "18446744073709551615 bytes");

    [Fact]
    public void NestedArrayIsRefused() =>
        AssertRefused(TinyModel.Gguf().Patch("element type tokenizer.ggml.tokens", 9), KvasirError.BadFile, "'tokenizer.ggml.tokens' is an array of arrays");

    [Fact]
    public void ArrayOfTooManyStringsIsRefusedBeforeItIsRead() =>
        AssertRefused(TinyModel.Gguf().Patch("element count tokenizer.ggml.tokens", 1UL << 60), KvasirError.BadFile, "element count of key 'tokenizer.ggml.tokens' is 1152921504606846976");

    [Theory]
    [InlineData(0u)]
    [InlineData(48u)]
    [InlineData(1u << 17)]
    public void AlignmentThatIsNoSmallPowerOfTwoIsRefused(uint alignment) =>
        AssertRefused(TinyModel.Gguf().Set("general.alignment", alignment), KvasirError.BadFile, $"'general.alignment' is {alignment}", "65536");

    [Fact]
    public void LongTensorNameNamesTheLimit() =>
        AssertRefused(TinyModel.Gguf().Tensor(new string('x', 65), WeightType.F32, [1], new byte[4]), KvasirError.BadFile, "has a length of 65 bytes", "64");

    [Fact]
    public void RepeatedTensorIsNamed() =>
        AssertRefused(TinyModel.Gguf().Tensor(Query, WeightType.F32, [1], new byte[4]), KvasirError.BadFile, $"tensor '{Query}' occurs twice");

    [Theory]
    [InlineData(0ul)]
    [InlineData(5ul)]
    public void DimensionCountOutsideOneToFourIsRefused(ulong count) =>
        AssertRefused(TinyModel.Gguf().Patch($"dimensions {Query}", count), KvasirError.BadFile, $"tensor '{Query}' has {count} dimensions", "1 to 4");

    [Fact]
    public void SizeOfZeroIsRefused() => AssertRefused(TinyModel.Gguf().Patch($"size 1 {Query}", 0), KvasirError.BadFile, $"tensor '{Query}' has the size 0 in dimension 1");

    [Fact]
    public void ProductOfSizesBeyond64BitsIsRefused() =>
        AssertRefused(TinyModel.Gguf().Patch($"size 1 {Query}", 1UL << 60), KvasirError.BadFile, $"tensor '{Query}' has the size 1152921504606846976 in dimension 1");

    [Fact]
    public void BytesBeyond64BitsAreRefused() =>
        AssertRefused(TinyModel.Gguf(matrices: WeightType.F32).Patch($"size 1 {Query}", 1UL << 57), KvasirError.BadFile, $"tensor '{Query}' has the shape [32, 144115188075855872]");

    [Fact]
    public void RowThatIsNoMultipleOfTheBlockIsRefused() =>
        AssertRefused(TinyModel.Gguf().Patch($"size 0 {Query}", 33), KvasirError.BadFile, $"tensor '{Query}' has rows of 33", "32 in a block of Q8_0");

    [Theory]
    [InlineData(21ul, "IQ3_S")]
    [InlineData(40ul, "NVFP4")]
    [InlineData(999ul, "number 999")]
    public void OtherTensorTypeIsRefusedByNameWithThoseThatAreSupported(ulong number, string name) => AssertRefused(
        TinyModel.Gguf().Patch($"tensor type {Query}", number), KvasirError.Unsupported, $"tensor '{Query}' has the type {name}", "F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, BF16, MXFP4");

    [Fact]
    public void OffsetOffTheAlignmentIsRefused() =>
        AssertRefused(TinyModel.Gguf().Patch($"offset {Query}", 33), KvasirError.BadFile, $"tensor '{Query}' has the offset 33", "alignment 32");

    [Fact]
    public void OffsetBeyondTheFileIsRefused() =>
        AssertRefused(TinyModel.Gguf().Patch($"offset {Query}", 1UL << 60), KvasirError.BadFile, $"tensor '{Query}' needs 1088 bytes at offset 1152921504606846976");

    [Fact]
    public void OverlappingTensorsAreBothNamed() =>
        AssertRefused(TinyModel.Gguf().Patch($"offset {Query}", 0), KvasirError.BadFile, "'token_embd.weight'", $"'{Query}'", "overlap at offset 0");

    [Fact]
    public void BooleanOfSevenIsRefused() => AssertKeyRefused(
        TinyModel.Gguf().Patch("value tokenizer.ggml.add_bos_token", 7), metadata => metadata.Boolean("tokenizer.ggml.add_bos_token"), "'tokenizer.ggml.add_bos_token'", "value 7");

    [Fact]
    public void NaNIsNoNumber() => AssertKeyRefused(TinyModel.Gguf().Set("x", float.NaN), metadata => metadata.Number("x"), "key 'x' is NaN");

    [Fact]
    public void NaNInAnArrayIsNamedWithItsIndex() => AssertKeyRefused(TinyModel.Gguf().Set("x", new[] { 1f, float.NaN }), metadata => metadata.Numbers("x"), "key 'x' holds NaN at index 1");

    [Fact]
    public void IntegerBeyond63BitsIsRefused() => AssertKeyRefused(TinyModel.Gguf().Set("x", ulong.MaxValue), metadata => metadata.Integer("x"), "key 'x' holds 18446744073709551615");

    [Fact]
    public void ElementBeyond32BitsIsRefused() => AssertKeyRefused(TinyModel.Gguf().Set("x", new[] { uint.MaxValue }), metadata => metadata.Integers("x"), "key 'x' holds 4294967295 at index 0");

    [Fact]
    public void ValueOfAnotherTypeIsRefused() => AssertKeyRefused(TinyModel.Gguf(), metadata => metadata.Integer("general.name"), "'general.name' is String", "an integer was expected");

    [Fact]
    public void ArrayWhereOneValueIsExpectedIsRefused() =>
        AssertKeyRefused(TinyModel.Gguf(), metadata => metadata.String("tokenizer.ggml.tokens"), "'tokenizer.ggml.tokens' is array of 16 String", "a single value was expected");

    [Fact]
    public void NameWithControlCharactersIsShownOnOneLine() =>
        AssertRefused(TinyModel.Gguf().Repeat("a\nb\u001b[2J", 1).Repeat("a\nb\u001b[2J", 1), KvasirError.BadFile, "'a\\u000ab\\u001b[2J' occurs twice");

    private static void AssertRefused(GgufWriter writer, KvasirError error, params string[] parts) => AssertRefused(writer.Build(), error, parts);

    private static void AssertRefused(byte[] content, KvasirError error, params string[] parts)
    {
        using var folder = new TempFolder();
        var path = folder.Write("damaged.gguf", content);
        AssertMessage(Assert.Throws<KvasirException>(() => Gguf.Open(path)), error, [path, .. parts]);
    }

    private static void AssertKeyRefused(GgufWriter writer, Func<GgufMetadata, object?> read, params string[] parts)
    {
        using var folder = new TempFolder();
        var path = folder.Write("damaged.gguf", writer.Build());
        using var file = Gguf.Open(path);
        AssertMessage(Assert.Throws<KvasirException>(() => read(file.Metadata)), KvasirError.BadFile, [path, .. parts]);
    }

    private static void AssertMessage(KvasirException exception, KvasirError error, string[] parts)
    {
        Assert.Equal(error, exception.Error);
        Assert.All(parts, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
        Assert.DoesNotContain('\n', exception.Message);
    }
}
