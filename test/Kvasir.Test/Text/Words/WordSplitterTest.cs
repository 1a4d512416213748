using Kvasir.Text.Words;

namespace Kvasir.Test.Text.Words;

/// <summary>Words marked by bars, worked out by hand from the expressions above each method.</summary>
public sealed class WordSplitterTest
{
    [Theory]
    [InlineData(nameof(WordPattern.Llama3), "Hello| world|'s| '|LL")]
    [InlineData(nameof(WordPattern.Llama3), "it|'Re| '|tis")]
    [InlineData(nameof(WordPattern.Llama3), "123|456|7| |89|x")]
    [InlineData(nameof(WordPattern.Llama3), "a|  \n\n| | b")]
    [InlineData(nameof(WordPattern.Llama3), "a|   ")]
    [InlineData(nameof(WordPattern.Llama3), "f|(x|);\n\n|}")]
    [InlineData(nameof(WordPattern.Llama3), "\U00020000\u6C34|\u0301a|\U0001D7D8\U0001D7D9|\U0001F389")]
    [InlineData(nameof(WordPattern.Qwen2), "a|1|2|3|'D| \U0001D49Cx")]
    [InlineData(nameof(WordPattern.Gpt2), "it|'s| IT|'|S| 1234| \u00BD|!!|\n")]
    [InlineData(nameof(WordPattern.Gpt2), "a|  | b|\n|\n|c")]
    [InlineData(nameof(WordPattern.SmolLm), "a| |1|2| b|  |\u0663| c")]
    [InlineData(nameof(WordPattern.Tekken), "xml|HTTPRequest| Ab|CD|1|2")]
    [InlineData(nameof(WordPattern.Tekken), "\u00E9cole|\u00C9COLE| e\u0301|E\u0301")]
    [InlineData(nameof(WordPattern.Tekken), "a|//\n|b")]
    [InlineData(nameof(WordPattern.TekkenAscii), "\u00E9COLEa|\u0301E")]
    [InlineData(nameof(WordPattern.Gpt4o), "don't| WE'll| |123|4| it'S|ABc|//\n|b")]
    [InlineData(nameof(WordPattern.Gpt4o), "\u00E9cole|\u00C9COLE're| e\u0301|E\u0301")]
    [InlineData(nameof(WordPattern.Gpt4oAscii), "\u00E9COLEa|\u0301E'd|x")]
    [InlineData(nameof(WordPattern.Seed), "f|(x|);|\n\n|}|1|2|'Re")]
    [InlineData(nameof(WordPattern.DeepSeek3), "it|'s| |\u4E16\u754C|a|123|4|!!\n|b|_x|  | e\u0301t")]
    [InlineData(nameof(WordPattern.DeepSeek3), "a|\u0001\u0002|1|  |5")]
    [InlineData(nameof(WordPattern.Falcon), "it|'|s| a|+|b|.\"|\n|\n|c|  |(| |123|456|7|a|12\u00B2|345| 89|x")]
    [InlineData(nameof(WordPattern.Falcon), "a|  | \u20AC\u0301|5|\t|\u00BD|_|e|\u0301|\u00BF|  ")]
    [InlineData(nameof(WordPattern.SpaceMarks), "\u2581\u2581a|\u2581b|\u2581")]
    [InlineData(nameof(WordPattern.EachSpaceMark), "\u2581|\u2581a|\u2581b|\u2581")]
    [InlineData(nameof(WordPattern.Whole), "any thing\n1")]
    public void WordsAreThoseOfTheExpression(string pattern, string marked)
    {
        var text = marked.Replace("|", "", StringComparison.Ordinal);
        var words = new List<string>();
        for (var i = 0; i < text.Length;)
        {
            var end = WordSplitter.NextWord(Enum.Parse<WordPattern>(pattern), text, i);
            words.Add(text[i..end]);
            i = end;
        }
        Assert.Equal(marked, string.Join('|', words));
    }

    [Fact]
    public void EveryPatternCoversEveryTextWithoutCuttingACharacter()
    {
        foreach (var pattern in Enum.GetValues<WordPattern>())
        {
            foreach (var line in TokenizerFixture.Corpus)
            {
                for (var i = 0; i < line.Length;)
                {
                    var end = WordSplitter.NextWord(pattern, line, i);
                    Assert.True(end > i && end <= line.Length && !(end < line.Length && char.IsSurrogatePair(line[end - 1], line[end])), $"{pattern} at {i} of {line}");
                    i = end;
                }
            }
        }
    }

    [Theory]
    [InlineData(@"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+", nameof(WordPattern.Llama3))]
    [InlineData(@"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", nameof(WordPattern.Qwen2))]
    [InlineData(@"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", nameof(WordPattern.Gpt2))]
    [InlineData(@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+", nameof(WordPattern.Gpt4o))]
    [InlineData(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+", nameof(WordPattern.Seed))]
    public void OtherSpellingsOfAnExpressionAreKnown(string expression, string pattern)
    {
        Assert.True(SplitExpressions.TryGet(expression, out var found));
        Assert.Equal(pattern, found.ToString());
    }

    [Theory]
    [InlineData(@"\p{L}+|\p{N}+")]
    [InlineData(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    [InlineData("")]
    public void UnlikeExpressionsAreNotTakenForKnownOnes(string expression) => Assert.False(SplitExpressions.TryGet(expression, out _));
}
