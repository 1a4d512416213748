using Kvasir.Evaluation;
using Kvasir.Evaluation.Scoring;

namespace Kvasir.Tools.Test.Evaluation;

public sealed class PromptTokensTest
{
    [Theory]
    [InlineData("bytes")]
    [InlineData("stories")]
    public void BothProtocolsFeedTheTokensOfTheWholePrompt(string name)
    {
        var tokenizer = EvaluationTokenizers.Named(name);
        var sample = TaskCatalog.Create("niah_single_2").Generate(new SampleRequest(tokenizer, 1000, 3, 0));
        var prompt = PromptTokens.Of(tokenizer, sample);
        Assert.Equal(tokenizer.Encode(sample.Prompt), prompt.Tokens);
        Assert.Equal(prompt.Tokens.Count, prompt.DenseTokens(Protocol.QuestionDense));
        Assert.Equal(prompt.ContextTokens, prompt.DenseTokens(Protocol.QuestionSparse));
        Assert.Equal(sample.Context, tokenizer.Decode([.. prompt.Tokens.Take(prompt.ContextTokens)]));
    }

    [Fact]
    public void ATokenThatCrossesTheBorderIsTheQuestions()
    {
        var tokenizer = EvaluationTokenizers.Stories;
        // "the" is one token; cut in the middle, its first part is another.
        var sample = new Sample("Lily saw t", "he cat", "", ["cat"], 8, ScoringRule.ContainsAny);
        var prompt = PromptTokens.Of(tokenizer, sample);
        Assert.Equal("Lily saw", tokenizer.Decode([.. prompt.Tokens.Take(prompt.ContextTokens)]));
        Assert.Equal("Lily saw the cat", tokenizer.Decode([.. prompt.Tokens]));
    }

    [Fact]
    public void AnEmptyContextHasTheBeginTokenAlone()
    {
        var sample = new Sample("", "Lily saw", " the cat", ["x"], 8, ScoringRule.ContainsAny);
        Assert.Equal(1, PromptTokens.Of(EvaluationTokenizers.Stories, sample).ContextTokens);
        Assert.Equal(0, PromptTokens.Of(EvaluationTokenizers.Bytes, sample).ContextTokens);
    }
}
