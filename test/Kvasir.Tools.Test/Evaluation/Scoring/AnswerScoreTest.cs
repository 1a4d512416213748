using Kvasir.Evaluation.Scoring;

namespace Kvasir.Tools.Test.Evaluation.Scoring;

public sealed class AnswerScoreTest
{
    [Theory]
    [InlineData(ScoringRule.ContainsAll, " 1234567.", "1234567", 1)]
    [InlineData(ScoringRule.ContainsAll, "123456 7", "1234567", 0)]
    [InlineData(ScoringRule.ContainsAll, "alpha and gamma", "alpha|beta|gamma|delta", 0.5)]
    [InlineData(ScoringRule.ContainsAll, "GAMMA, Alpha", "alpha|gamma", 1)]
    [InlineData(ScoringRule.ContainsAll, "", "alpha", 0)]
    // One string within another counts for both, as it does in RULER.
    [InlineData(ScoringRule.ContainsAll, "sunflower", "sun|flower", 1)]
    [InlineData(ScoringRule.ContainsAny, "in PARIS, I think", "Paris|Lutetia", 1)]
    [InlineData(ScoringRule.ContainsAny, "in Rome", "Paris|Lutetia", 0)]
    public void StringsAreLookedForAsRulerDoes(ScoringRule rule, string answer, string expected, double score) =>
        Assert.Equal(score, AnswerScore.Of(rule, answer, expected.Split('|')), 1e-12);

    [Theory]
    [InlineData("The red Fox!", "a red fox", 1)]
    // Two of three words right, two of four found.
    [InlineData("red fox jumps", "red fox sleeps deeply", 2 * (2.0 / 3) * (2.0 / 4) / (2.0 / 3 + 2.0 / 4))]
    // A word counts as often as it is expected.
    [InlineData("red red red", "red fox", 0.4)]
    [InlineData("blue", "red|dark blue", 2.0 / 3)]
    [InlineData("", "red", 0)]
    public void WordsAreComparedAsSquadDoes(string answer, string expected, double score) =>
        Assert.Equal(score, AnswerScore.Of(ScoringRule.WordF1, answer, expected.Split('|')), 1e-12);

    [Theory]
    [InlineData("one two three", "one two three", 1)]
    // Of the same words in another order, two stand in order.
    [InlineData("three one two", "one two three", 2.0 / 3)]
    [InlineData("one x two y", "one two", 2 * 2.0 / 6)]
    [InlineData("nothing", "one two", 0)]
    public void LongestSequencesKeepTheOrder(string answer, string expected, double score) =>
        Assert.Equal(score, AnswerScore.Of(ScoringRule.LongestSequence, answer, [expected]), 1e-12);

    [Fact]
    public void CodeIsComparedByItsFirstLine()
    {
        Assert.Equal(1, AnswerScore.Of(ScoringRule.FirstLine, "```\n// adds\nreturn a + b;\nx", ["return a + b;"]));
        Assert.Equal(2 * 3.0 / 7, AnswerScore.Of(ScoringRule.FirstLine, "abc", ["abxc"]), 1e-12);
        Assert.Equal(0, AnswerScore.Of(ScoringRule.FirstLine, "# nothing", ["abc"]));
    }

    [Fact]
    public void NumbersThatAreWrongCostTheirShare()
    {
        Assert.Equal(1, AnswerScore.Of(ScoringRule.Numbers, "Paragraph 12", ["Paragraph 12"]));
        Assert.Equal(0.5, AnswerScore.Of(ScoringRule.Numbers, "12 or 13", ["12"]));
        Assert.Equal(0, AnswerScore.Of(ScoringRule.Numbers, "none", ["12"]));
    }

    [Fact]
    public void ControlCharactersEndLines()
    {
        Assert.Equal(0, AnswerScore.Of(ScoringRule.ContainsAll, "12\u000034", ["1234"]));
        Assert.Equal(1, AnswerScore.Of(ScoringRule.ContainsAll, "\u00011234\t", ["1234"]));
    }

    [Fact]
    public void NothingToExpectIsTheCallersMistake()
    {
        Assert.Throws<ArgumentException>(() => AnswerScore.Of(ScoringRule.ContainsAll, "x", []));
        Assert.Throws<ArgumentException>(() => AnswerScore.Of(ScoringRule.ContainsAny, "x", ["x", ""]));
    }
}
