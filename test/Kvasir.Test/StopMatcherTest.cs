using System.Text;

namespace Kvasir.Test;

public sealed class StopMatcherTest
{
    [Theory]
    [InlineData("one two STOP three", "STOP", "one two ")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("no end here", "END", "no end here")]
    [InlineData("STOP", "STOP", "")]
    [InlineData("grün — 終わり。後", "終わり", "grün — ")]
    [InlineData("😀😁😂 tail", "😂", "😀😁")]
    [InlineData("STO", "STOP", "STO")]
    public void TextEndsBeforeTheStopHoweverItIsCut(string text, string stop, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var size = 1; size <= bytes.Length; size++)
            Assert.Equal(expected, Stream(bytes, size, [stop]));
    }

    [Fact]
    public void TheEarliestOfSeveralStopsWins()
    {
        Assert.Equal("a", Stream("a b c"u8.ToArray(), 5, ["c", " b"]));
    }

    [Fact]
    public void ReleasedTextNeverEndsInsideACharacter()
    {
        var bytes = Encoding.UTF8.GetBytes("é漢😀x");
        var matcher = new StopMatcher([], 4);
        var text = "";
        var read = 0;
        foreach (var value in bytes)
        {
            matcher.Append([value]);
            var piece = matcher.Text(read, matcher.ReleasedBytes);
            Assert.DoesNotContain('\uFFFD', piece);
            (text, read) = (text + piece, matcher.ReleasedBytes);
        }

        Assert.Equal("é漢😀x", text);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void RandomTextsAgreeWithASearchOfTheWhole(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 2000; round++)
        {
            var text = RandomText(random, random.Next(1, 30));
            string[] stops = [RandomText(random, random.Next(1, 4)), RandomText(random, random.Next(1, 4))];
            var first = stops.Select(s => text.IndexOf(s, StringComparison.Ordinal)).Where(i => i >= 0).DefaultIfEmpty(text.Length).Min();
            // Cut into single bytes, a shorter stop may be complete before a longer one that begins earlier.
            var streamed = Stream(Encoding.UTF8.GetBytes(text), 100, stops);
            Assert.True(text[..first] == streamed, $"seed {seed}, round {round}: '{text}' with '{stops[0]}' and '{stops[1]}' gave '{streamed}'");
        }
    }

    [Fact]
    public void EmptyAndOverlongStopsAreRefused()
    {
        Assert.Throws<KvasirException>(() => StopMatcher.Validate(""));
        var refusal = Assert.Throws<KvasirException>(() => StopMatcher.Validate(new string('x', 257)));
        Assert.Contains("257", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("256", refusal.Message, StringComparison.Ordinal);
    }

    private static string RandomText(Random random, int length) =>
        string.Concat(Enumerable.Range(0, length).Select(_ => "ab é漢"[random.Next(5)]));

    private static string Stream(byte[] bytes, int size, string[] stops)
    {
        var matcher = new StopMatcher(stops, 1);
        var text = new StringBuilder();
        var read = 0;
        for (var at = 0; at < bytes.Length; at += size)
        {
            var stopped = matcher.Append(bytes.AsSpan(at, Math.Min(size, bytes.Length - at)));
            text.Append(matcher.Text(read, matcher.ReleasedBytes));
            read = matcher.ReleasedBytes;
            if (stopped)
                return text.ToString();
        }

        matcher.Finish();
        return text.Append(matcher.Text(read, matcher.ReleasedBytes)).ToString();
    }
}
