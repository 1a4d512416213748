using Kvasir.Text.Tokenizers;

namespace Kvasir.Test.Text.Tokenizers;

public sealed class AddedTokenMatcherTest
{
    [Fact]
    public void OverlapsAreSettledFromTheLeftOrByLength()
    {
        AddedToken[] tokens = [new(0, "ab"), new(1, "bcd"), new(2, "cde")];
        Assert.Equal("0:0-2 2:2-5", Find(tokens, "abcde", longestFirst: false));
        Assert.Equal("1:1-4", Find(tokens, "abcde", longestFirst: true));
        Assert.Equal("1:1-4 0:4-6", Find(tokens, "abcdab", longestFirst: true));
    }

    [Fact]
    public void TheLongestOfSeveralAtOnePlaceIsTaken()
    {
        AddedToken[] tokens = [new(0, "<a"), new(1, "<a>"), new(2, "<a><b>")];
        foreach (var longestFirst in new[] { false, true })
        {
            Assert.Equal("2:0-6 1:6-9 0:9-11", Find(tokens, "<a><b><a><a", longestFirst));
            Assert.Equal("", Find(tokens, "< a><", longestFirst));
        }
    }

    [Fact]
    public void SpecialTokensAreLeftOutWherePlainTextIsWanted()
    {
        AddedToken[] tokens = [new(0, "<s>") { Special = true }, new(1, "<tool>"), new(2, "<s>x")];
        Assert.Equal("0:0-3 1:3-9", Find(tokens, "<s><tool>", longestFirst: false));
        Assert.Equal("1:3-9", Find(tokens, "<s><tool>", longestFirst: false, parseSpecial: false));
        Assert.Equal("2:0-4", Find(tokens, "<s>x", longestFirst: true, parseSpecial: false));
    }

    [Fact]
    public void StrippingTakesWhiteSpaceButNoOtherToken()
    {
        AddedToken[] tokens = [new(0, "<m>") { StripsLeft = true, StripsRight = true }, new(1, "  ")];
        Assert.Equal("0:1-9", Find([tokens[0]], "a \u3000<m>\n\u0085 b", longestFirst: false));
        Assert.Equal("0:0-3", Find([tokens[0]], "<m>", longestFirst: false));
        Assert.Equal("1:1-3 0:3-8", Find(tokens, "a   <m> b", longestFirst: false));
        Assert.Equal("0:0-4 0:4-7", Find([tokens[0]], "<m> <m>", longestFirst: false));
    }

    [Fact]
    public void ASingleWordIsNoPartOfAWord()
    {
        AddedToken[] tokens = [new(0, "cat") { SingleWord = true }];
        Assert.Equal("0:0-3 0:4-7 0:9-12", Find(tokens, "cat cat, cat!", longestFirst: false));
        Assert.Equal("", Find(tokens, "concat cats cat_ 1cat \U00020000cat", longestFirst: false));
    }

    [Fact]
    public void ManyTokensThatShareTheirBeginningAreToldApart()
    {
        var tokens = Enumerable.Range(0, 2000).Select(i => new AddedToken(i, $"<|reserved_special_token_{i}|>")).ToArray();
        var text = string.Concat(Enumerable.Repeat("<|reserved_special_token_x<|reserved_special_token_7|>", 20_000));
        var matches = new List<AddedTokenMatch>();
        Matcher(tokens, longestFirst: false).Find(text, new ControlPlaces(everywhere: true), matches);
        Assert.Equal(20_000, matches.Count);
        Assert.All(matches, match => Assert.Equal(7, match.Token.Id));
    }

    private static AddedTokenMatcher Matcher(AddedToken[] tokens, bool longestFirst) => new(tokens.Select(token => (token.Text, token)), longestFirst);

    private static string Find(AddedToken[] tokens, string text, bool longestFirst, bool parseSpecial = true)
    {
        var matches = new List<AddedTokenMatch>();
        Matcher(tokens, longestFirst).Find(text, new ControlPlaces(parseSpecial), matches);
        return string.Join(' ', matches.Select(match => $"{match.Token.Id}:{match.Start}-{match.End}"));
    }
}
