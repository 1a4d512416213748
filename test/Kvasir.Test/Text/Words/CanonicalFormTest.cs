using Kvasir.Text.Words;

namespace Kvasir.Test.Text.Words;

public sealed class CanonicalFormTest
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain ASCII", "plain ASCII")]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("\u212B", "\u00C5")]                                        // a singleton
    [InlineData("s\u0323\u0307", "\u1E69")]                                 // two levels
    [InlineData("s\u0307\u0323", "\u1E69")]                                 // marks out of order
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323")]
    [InlineData("\u0958", "\u0915\u093C")]                                  // excluded from composition
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\u1100\u1161\u11A8", "\uAC01")]                            // Hangul from three parts
    [InlineData("\uAC00\u11A8", "\uAC01")]
    [InlineData("\u1100\u1161\u11A7", "\uAC00\u11A7")]
    [InlineData("a\u0301\u0301", "\u00E1\u0301")]
    [InlineData("a\u0328\u0301\u0328", "\u0105\u0328\u0301")]
    [InlineData("\u0301e\u0301", "\u0301\u00E9")]                           // a mark with nothing before it
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]                      // beyond the BMP
    [InlineData("\U000110A5\U000110BA", "\U000110AB")]
    [InlineData("\U0002F800x", "\u4E3Dx")]
    [InlineData("\u09C7\u09BE", "\u09CB")]                                  // a second part of class 0
    [InlineData("\uD800e\u0301\uDC00", "\uD800\u00E9\uDC00")]              // surrogates without partners stay
    public void KnownTextsCompose(string text, string composed)
    {
        Assert.Equal(composed, CanonicalForm.Compose(text));
        Assert.Equal("." + composed, CanonicalForm.Compose("." + text));
        Assert.Equal(composed, CanonicalForm.Compose(composed));
    }

    [Fact]
    public void ComposingIsIdempotentAndBlindToDecomposition()
    {
        const int seed = 5;
        var random = new Random(seed);
        int[] points = [0x41, 0x65, 0x301, 0x323, 0x307, 0x328, 0x345, 0x93C, 0x915, 0x1100, 0x1161, 0x11A8, 0xAC00, 0x1E69, 0x212B, 0x3099, 0x304B, 0x1D165, 0x1D158, 0x20];
        for (var round = 0; round < 5000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => char.ConvertFromUtf32(points[random.Next(points.Length)])));
            var composed = CanonicalForm.Compose(text);
            Assert.True(composed == CanonicalForm.Compose(composed), $"seed {seed} round {round}");
            Assert.True(composed == CanonicalForm.Compose(text.Replace("\u1E69", "s\u0307\u0323", StringComparison.Ordinal).Replace("\uAC00", "\u1100\u1161", StringComparison.Ordinal)), $"seed {seed} round {round}");
        }
    }

    [Fact]
    public void AMillionMarksAreSortedInTime()
    {
        var text = "a" + string.Concat(Enumerable.Repeat("\u0301\u0323", 300_000));
        var composed = CanonicalForm.Compose(text);
        Assert.StartsWith("\u1EA1\u0323\u0323", composed, StringComparison.Ordinal);
        Assert.Equal(text.Length - 1, composed.Length);
        Assert.EndsWith("\u0301\u0301", composed, StringComparison.Ordinal);
    }
}
