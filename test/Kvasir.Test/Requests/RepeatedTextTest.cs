using Kvasir.Requests.Guessing;

namespace Kvasir.Test.Requests;

/// <summary>What followed the newest tokens before is what is guessed.</summary>
public sealed class RepeatedTextTest
{
    [Theory]
    [InlineData(new[] { 1, 2, 3, 4, 5, 9, 2, 3 }, new[] { 4, 5, 9 })]
    [InlineData(new[] { 1, 2, 7, 7, 1, 2, 8, 8, 8, 1, 2 }, new[] { 8, 8, 8 })]
    [InlineData(new[] { 3, 1, 2, 7, 7, 4, 1, 2, 8, 3, 1, 2 }, new[] { 7, 7, 4 })]
    [InlineData(new[] { 5, 6, 5, 6, 5 }, new[] { 6, 5, 6 })]
    [InlineData(new[] { 4, 4, 4 }, new[] { 4, 4, 4 })]
    public void TheLatestPlaceWithMostTokensAlikeGoesOn(int[] tokens, int[] expected)
    {
        var guess = new int[3];
        Assert.True(RepeatedText.TryContinue(tokens, guess));
        Assert.Equal(expected, guess);
    }

    [Theory]
    [InlineData(new int[0])]
    [InlineData(new[] { 1 })]
    [InlineData(new[] { 1, 1 })]
    [InlineData(new[] { 1, 2, 3, 4, 2 })]
    public void NewTextIsNotGuessedAt(int[] tokens) => Assert.False(RepeatedText.TryContinue(tokens, new int[3]));
}
