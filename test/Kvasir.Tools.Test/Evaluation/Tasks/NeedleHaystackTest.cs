using System.Text.RegularExpressions;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Tasks;

namespace Kvasir.Tools.Test.Evaluation.Tasks;

public sealed class NeedleHaystackTest
{
    [Theory]
    [InlineData("stories", 500, 8)]
    [InlineData("stories", 4096, 1)]
    [InlineData("bytes", 2000, 3)]
    [InlineData("bytes", 20000, 32)]
    public void TheTextAnswersEveryQuestionAndHasItsLength(string tokenizer, int tokens, int questions)
    {
        for (var seed = 0ul; seed < 5; seed++)
        {
            var request = new SampleRequest(EvaluationTokenizers.Named(tokenizer), tokens, seed, 0);
            var haystack = NeedleHaystack.Of(request, questions);
            Assert.Equal(questions, haystack.Questions.Count);
            Assert.Equal(questions, haystack.Questions.Distinct().Count());
            Assert.All(haystack.Questions, question => Assert.Equal(question.Answer, Read(haystack.Text, question.Asked)));
            Assert.Equal(questions / 4, haystack.Questions.Count(static question => question.Asked.StartsWith("VAR ", StringComparison.Ordinal)));
            Assert.Equal(haystack.KeyCount, Regex.Count(haystack.Text, @" key [a-z]+ \d\d \."));
            Assert.Equal(haystack.ChainCount, Regex.Count(haystack.Text, @" VAR [a-z]+ \d\d \."));
            var longest = haystack.Questions.Max(question => request.Tokenizer.Encode(haystack.Text + question.Prompt).Length) + haystack.AnswerTokens;
            Assert.InRange(longest, 0.99 * tokens, tokens);
        }
    }

    [Fact]
    public void ASeedGivesTheSameAndAnotherDoesNot()
    {
        NeedleHaystack Of(ulong seed) => NeedleHaystack.Of(new SampleRequest(EvaluationTokenizers.Stories, 1000, seed, 0), 8);
        var (first, again, other) = (Of(3), Of(3), Of(4));
        Assert.Equal(first.Text, again.Text);
        Assert.Equal(first.Questions, again.Questions);
        Assert.NotEqual(first.Text, other.Text);
        Assert.NotEqual(first.Questions, other.Questions);
    }

    [Fact]
    public void DepthsAreWhereTheTextSaysIt()
    {
        var haystack = NeedleHaystack.Of(new SampleRequest(EvaluationTokenizers.Stories, 4000, 1, 0), 16);
        foreach (var question in haystack.Questions)
            Assert.StartsWith($" {question.Asked} ", haystack.Text[(int)Math.Round(question.Depth * haystack.Text.Length)..], StringComparison.Ordinal);
        // Keys that are asked for come from all over the text.
        Assert.True(haystack.Questions.Max(static question => question.Depth) - haystack.Questions.Min(static question => question.Depth) > 0.5);
    }

    [Theory]
    [InlineData(" 47 .", true)]
    [InlineData("47.", true)]
    [InlineData("47", true)]
    [InlineData(" 4 7", false)]
    [InlineData(" sonin kedan 47 .", true)]
    [InlineData(" 74 47", false)]
    [InlineData("", false)]
    public void AnAnswerIsItsFirstNumber(string answer, bool isRight) => Assert.Equal(isRight, new HaystackQuestion("VAR dalor", "sonin kedan 47", 0).IsAnsweredBy(answer));

    [Fact]
    public void WithoutRoomItSaysHowMuchIsNeeded()
    {
        var refusal = Assert.Throws<KvasirException>(() => NeedleHaystack.Of(new SampleRequest(EvaluationTokenizers.Stories, 64, 1, 0), 8));
        Assert.Matches("^task haystack with 8 questions takes at least [0-9]+ tokens with this tokenizer; 64 were asked for$", refusal.Message);
    }

    // A variable is followed to the number that it was handed.
    private static string Read(string text, string asked)
    {
        var value = Regex.Match(text, $@" {asked} (\w+) \.").Groups[1].Value;
        return char.IsAsciiDigit(value[0]) ? value : $"{value} {Read(text, $"VAR {value}")}";
    }
}
