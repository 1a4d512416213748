using System.Text.RegularExpressions;
using CsCheck;
using Kvasir.Structure;
using Kvasir.Structure.Patterns;

namespace Kvasir.Test.Structure;

public sealed class PatternTest
{
    [Theory]
    [InlineData(@"^[a-c\d]{2,3}$")]
    [InlineData(@"b|^a+$")]
    [InlineData(@"^(ab|a(?:c|)d)*b?$")]
    [InlineData(@"^\w+-\s*[^\s-]$")]
    [InlineData(@"a.b")]
    [InlineData(@"^(?<x>[\u0061-c]|\x64){1,}?$")]
    [InlineData(@"^[^a-c]*[-a]$")]
    [InlineData(@"^\p{Lu}\P{L}$")]
    [InlineData(@"^$|d$")]
    [InlineData(@"^(a*)*b$")]
    [InlineData(@"^[\]\\]a\.$")]
    public void ItMatchesWhatTheFrameworkMatches(string pattern)
    {
        var own = PatternAutomaton.Of(new PatternParser(pattern, "here").Parse(), new CompileBudget());
        var judge = new Regex(pattern, pattern.Contains("\\p", StringComparison.Ordinal) ? RegexOptions.CultureInvariant : RegexOptions.ECMAScript);
        Gen.Char["abcdA- \n.]\\1é"].Array[0, 8].Sample(
            letters =>
            {
                var text = new string(letters);
                // The framework's $ also matches before a last line feed, which ECMA's does not.
                if (!text.EndsWith('\n'))
                    Assert.True(judge.IsMatch(text) == own.Matches(text), $"'{text}' by {pattern}");
            },
            iter: 3000);
    }

    [Theory]
    [InlineData(@"^.$", "😀", true)]
    [InlineData(@"^\uD83D\uDE00$", "😀", true)]
    [InlineData(@"^\u{1F600}$", "😀", true)]
    [InlineData(@"^[😀-😂]$", "😁", true)]
    [InlineData(@"^.$", "\u2028", false)]
    [InlineData(@"^\cJ$", "\n", true)]
    public void CharactersBeyondTheFirstPlaneAreOne(string pattern, string text, bool matches) =>
        Assert.Equal(matches, PatternAutomaton.Of(new PatternParser(pattern, "here").Parse(), new CompileBudget()).Matches(text));

    [Theory]
    [InlineData("a**", "repeats nothing")]
    [InlineData("[z-a]", "range")]
    [InlineData("[a", "class is not closed")]
    [InlineData("a{2", "repetition is not closed")]
    [InlineData("a{3,2}", "is empty")]
    [InlineData("a{1,20000}", "no repetition from 0 to 10000")]
    [InlineData("a)", "closes nothing")]
    [InlineData(@"\", "ends in a backslash")]
    [InlineData(@"\q", "is no escape")]
    [InlineData(@"(?<!a)b", "look-behind")]
    [InlineData(@"(?i)b", "a group with options")]
    [InlineData(@"a\b", "word boundary")]
    [InlineData(@"\p{Greek}", "the category 'Greek'")]
    [InlineData("a^b", "'^' in the middle")]
    [InlineData("(a$)", "'$' inside a group")]
    public void WhatIsNoRegularExpressionIsRefusedInWords(string pattern, string words)
    {
        var refusal = Assert.Throws<KvasirException>(() => new PatternParser(pattern, "here").Parse());
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.StartsWith("here: the pattern '", refusal.Message, StringComparison.Ordinal);
    }
}
