using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Evaluation;

public sealed class TextWindowTest
{
    [Theory]
    [InlineData(100, 60, 10)]
    [InlineData(100, 60, 40)]
    [InlineData(109, 1, 9)]
    [InlineData(11, 10, 1)]
    public void EveryTokenBehindTheFirstContextIsPredictedOnceButForARemainder(int text, int context, int scored)
    {
        var windows = TextWindow.Cut(text, context, scored);
        var predicted = windows.SelectMany(window => Enumerable.Range(window.StartIndex + window.ContextTokens, window.ScoredTokens)).ToArray();
        Assert.Equal(Enumerable.Range(context, predicted.Length), predicted);
        Assert.InRange(text - context - predicted.Length, 0, scored - 1);
        Assert.All(windows, window => Assert.Equal((context, scored, context + scored), (window.ContextTokens, window.ScoredTokens, window.Tokens)));
    }

    [Fact]
    public void ATextShorterThanAWindowIsRefusedWithBothNumbers()
    {
        var error = Assert.Throws<KvasirException>(() => TextWindow.Cut(99, 60, 40));
        Assert.Contains("99 tokens", error.Message, StringComparison.Ordinal);
        Assert.Contains("100", error.Message, StringComparison.Ordinal);
        Assert.Throws<KvasirException>(() => TextWindow.Cut(0, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => TextWindow.Cut(100, 0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => TextWindow.Cut(100, 1, 0));
    }
}
