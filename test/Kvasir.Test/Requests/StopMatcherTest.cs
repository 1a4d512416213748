using System.Text;
using CsCheck;
using Kvasir.Requests;

namespace Kvasir.Test.Requests;

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
            Assert.Equal(expected, Streamed(bytes, [size], [stop]));
    }

    [Fact]
    public void TheEarliestOfSeveralStopsWins()
    {
        Assert.Equal("a", Streamed("a b c"u8.ToArray(), [5], ["c", " b"]));
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
            var streamed = Streamed(Encoding.UTF8.GetBytes(text), [100], stops);
            Assert.True(text[..first] == streamed, $"seed {seed}, round {round}: '{text}' with '{stops[0]}' and '{stops[1]}' gave '{streamed}'");
        }
    }

    [Theory]
    [InlineData("a[<|tool|>]b", "<|tool|>", "a")]
    [InlineData("a\n[<|tool|>]b", "\n<|tool|>", "a")]
    [InlineData("a[<|tool|>]b c", "<|tool|>b", "a")]
    [InlineData("a[<|x|>][<|y|>]b", "|><|", "a")]
    [InlineData("a[<|x|>]b[<|y|>]c", "<|z|>", "abc")]
    [InlineData("a[<|x|>]b", "ab", "")]
    [InlineData("za[<|x|>]b", "ab", "z")]
    [InlineData("\u00e9[<|x|>]\u6f22[<|x|>]", "no", "\u00e9\u6f22")]
    public void StopsSpellControlTokensThatAreNotShown(string text, string stop, string expected)
    {
        // In brackets what a control token is called.
        for (var size = 1; size <= 6; size++)
        {
            var (matcher, stopped) = (new StopMatcher([stop], 1), false);
            foreach (var part in text.Split('[', ']').Select(static (part, i) => (Bytes: Encoding.UTF8.GetBytes(part), IsName: i % 2 == 1)))
            {
                if (part.IsName)
                    stopped = stopped || matcher.AppendHidden(part.Bytes);
                for (var at = 0; !part.IsName && !stopped && at < part.Bytes.Length; at += size)
                    stopped = matcher.Append(part.Bytes.AsSpan(at, Math.Min(size, part.Bytes.Length - at)));
            }

            matcher.Finish();
            Assert.Equal((expected, expected.Length < text.Replace("[<|x|>]", "", StringComparison.Ordinal).Replace("[<|y|>]", "", StringComparison.Ordinal).Length),
                (matcher.Text(0, matcher.ReleasedBytes), stopped));
        }
    }

    [Fact]
    public void ANameWithinACharacterDoesNotBreakIt()
    {
        var matcher = new StopMatcher(["never"], 1);
        matcher.Append([0xC3]);
        matcher.AppendHidden("<|x|>"u8);
        Assert.Equal(0, matcher.ReleasedBytes);
        matcher.Append([0xA9]);
        Assert.Equal("\u00e9", matcher.Text(0, matcher.ReleasedBytes));
    }

    [Fact]
    public void TextsCutAnywhereEndAtTheFirstStopOfWhatHasCome()
    {
        // Few letters, so that stops begin often and overlap; the last takes three bytes, so that cuts go through characters.
        var text = Gen.Char["ab漢"].Array[0, 20].Select(static letters => new string(letters));
        var stop = Gen.Char["ab漢"].Array[1, 4].Select(static letters => new string(letters));
        Gen.Select(text, stop.Array[0, 3], Gen.Int[1, 7].Array[1, 10]).Sample(static (text, stops, sizes) =>
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            var (expected, streamed) = (Searched(bytes, sizes, stops), Streamed(bytes, sizes, stops));
            Assert.True(expected == streamed, $"expected '{expected}', streamed '{streamed}'");
        }, iter: 5000);
    }

    [Fact]
    public void EmptyAndOverlongStopsAreRefused()
    {
        Assert.Throws<KvasirException>(() => StopMatcher.Checked([""]));
        var refusal = Assert.Throws<KvasirException>(() => StopMatcher.Checked([new string('x', 257)]));
        Assert.Contains("257", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("256", refusal.Message, StringComparison.Ordinal);
    }

    private static string RandomText(Random random, int length) =>
        string.Concat(Enumerable.Range(0, length).Select(_ => "ab é漢"[random.Next(5)]));

    /// <param name="sizes">Bytes of each token, over and over.</param>
    private static string Streamed(byte[] bytes, int[] sizes, string[] stops)
    {
        var matcher = new StopMatcher(stops, 1);
        var text = new StringBuilder();
        var read = 0;
        foreach (var end in Ends(bytes.Length, sizes))
        {
            var stopped = matcher.Append(bytes.AsSpan(end.Before, end.Now - end.Before));
            text.Append(matcher.Text(read, matcher.ReleasedBytes));
            read = matcher.ReleasedBytes;
            if (stopped)
                return text.ToString();
        }

        matcher.Finish();
        return text.Append(matcher.Text(read, matcher.ReleasedBytes)).ToString();
    }

    /// <summary>The same by a search of all bytes that have come, after each token.</summary>
    private static string Searched(byte[] bytes, int[] sizes, string[] stops)
    {
        foreach (var (_, end) in Ends(bytes.Length, sizes))
        {
            var found = stops.Select(stop => bytes.AsSpan(0, end).IndexOf(Encoding.UTF8.GetBytes(stop))).Where(static at => at >= 0).ToArray();
            if (found.Length > 0)
                return Encoding.UTF8.GetString(bytes, 0, found.Min());
        }

        return Encoding.UTF8.GetString(bytes);
    }

    private static IEnumerable<(int Before, int Now)> Ends(int length, int[] sizes)
    {
        for (int at = 0, token = 0; at < length; token++)
        {
            var end = Math.Min(at + sizes[token % sizes.Length], length);
            yield return (at, end);
            at = end;
        }
    }
}
