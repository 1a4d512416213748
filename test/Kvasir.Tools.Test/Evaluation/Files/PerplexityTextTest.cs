using Kvasir.Evaluation.Files;

namespace Kvasir.Tools.Test.Evaluation.Files;

public sealed class PerplexityTextTest
{
    [Fact]
    public void ATextIsEncodedOnceAndCut()
    {
        using var folder = new TempFolder();
        var tokenizer = EvaluationTokenizers.Stories;
        var story = string.Concat(Enumerable.Repeat("Once upon a time there was a cat.\n", 40));
        var text = PerplexityText.Read(folder.Write("story.txt", story), tokenizer, contextTokens: 100, scoredTokens: 30);
        Assert.Equal(tokenizer.Encode(story, addBegin: false), text.Tokens);
        Assert.Equal((text.Tokens.Count - 100) / 30, text.Windows.Count);
    }

    [Fact]
    public void WhatIsNoTextOfAWindowIsRefused()
    {
        using var folder = new TempFolder();
        Assert.Contains("none.txt", Refusal(folder.File("none.txt")), StringComparison.Ordinal);
        Assert.EndsWith("empty.txt: is empty", Refusal(folder.Write("empty.txt", "")), StringComparison.Ordinal);
        Assert.EndsWith("bytes.txt:1: is not UTF-8 at byte 1; text in UTF-8, or in UTF-16 with a byte order mark, can be read", Refusal(folder.Write("bytes.txt", [0x61, 0xFF, 0xFE])), StringComparison.Ordinal);
        Assert.EndsWith("short.txt: the text has 9 tokens, and a window takes 10", Refusal(folder.Write("short.txt", "nine byte")), StringComparison.Ordinal);
    }

    private static string Refusal(string path) => Assert.Throws<KvasirException>(() => PerplexityText.Read(path, EvaluationTokenizers.Bytes, 8, 2)).Message;
}
