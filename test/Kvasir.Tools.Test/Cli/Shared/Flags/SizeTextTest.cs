using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Tools.Test.Cli.Shared.Flags;

public sealed class SizeTextTest
{
    [Theory]
    [InlineData("4096", 4096)]
    [InlineData("4k", 4096)]
    [InlineData("32K", 32768)]
    [InlineData("1.5k", 1536)]
    [InlineData("1M", 1048576)]
    [InlineData("2147483647", int.MaxValue)]
    public void TokensAreCountedInPowersOf1024(string text, int tokens) => Assert.Equal((true, tokens), (SizeText.TryTokens(text, out var parsed), parsed));

    [Theory]
    [InlineData("512M", 512L << 20)]
    [InlineData("2G", 2L << 30)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData("1gb", 1L << 30)]
    [InlineData("3T", 3L << 40)]
    [InlineData("640B", 640)]
    [InlineData("4096", 4096)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void BytesTakeUnits(string text, long bytes) => Assert.Equal((true, bytes), (SizeText.TryBytes(text, out var parsed), parsed));

    [Theory]
    [InlineData("")]
    [InlineData("k")]
    [InlineData("0")]
    [InlineData("-4k")]
    [InlineData("1.0001k")]
    [InlineData("4 k")]
    [InlineData("4kk")]
    [InlineData("4GiBB")]
    [InlineData("BB")]
    [InlineData("1e3")]
    [InlineData("99999999999T")]
    [InlineData("9223372036854775808")]
    [InlineData("79228162514264337593543950336")]
    public void OtherTextIsRefused(string text)
    {
        Assert.False(SizeText.TryTokens(text, out _));
        Assert.False(SizeText.TryBytes(text, out _));
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1.0 KiB")]
    [InlineData((1L << 20) - 1, "1.0 MiB")]
    [InlineData(3L << 29, "1.5 GiB")]
    [InlineData(long.MaxValue, "8388608.0 TiB")]
    public void BytesAreShownShort(long bytes, string text) => Assert.Equal(text, SizeText.Bytes(bytes));

    [Fact]
    public void OneTokenIsNotSeveral() => Assert.Equal("0 tokens, 1 token, 2,048 tokens", string.Join(", ", new[] { 0, 1, 2048 }.Select(static count => SizeText.TokenCount(count))));
}
