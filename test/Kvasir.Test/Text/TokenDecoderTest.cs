using System.Text;
using Kvasir.Files;
using Kvasir.Test.Models;
using Kvasir.Text;
using Kvasir.Text.Words;

namespace Kvasir.Test.Text;

public sealed class TokenDecoderTest
{
    [Theory]
    [InlineData("llama3")]
    [InlineData("gpt2")]
    [InlineData("smollm")]
    [InlineData("tekken")]
    [InlineData("qwen2")]
    public void DecodingAByteLevelEncodingGivesTheText(string vocabulary)
    {
        var tokenizer = TokenizerFixture.FromGguf(vocabulary);
        foreach (var line in TokenizerFixture.Corpus)
            Assert.Equal(line, tokenizer.Decode(tokenizer.Encode(line, addBegin: true)));
    }

    [Theory]
    [InlineData("cjk")]
    [InlineData("cjk-nospace")]
    public void DecodingASentencePieceEncodingGivesTheText(string vocabulary)
    {
        var tokenizer = TokenizerFixture.FromGguf(vocabulary);
        var tried = 0;
        foreach (var line in TokenizerFixture.Corpus)
        {
            // A section after a user-defined token begins with a space of its own, and U+2581 is how a space is spelled.
            if (line.Contains('\u2581') || line.Contains("<bare>", StringComparison.Ordinal) || line.Contains("tool_call>", StringComparison.Ordinal) || line.Contains("<0x", StringComparison.Ordinal))
                continue;
            Assert.Equal(line, tokenizer.Decode(tokenizer.Encode(line, addBegin: true)));
            tried++;
        }
        Assert.True(tried > 9000, $"{tried} lines");
    }

    [Fact]
    public void ComposedTextIsWhatAComposingTokenizerGivesBack()
    {
        var tokenizer = TokenizerFixture.FromJson("qwen2");
        foreach (var line in TokenizerFixture.Corpus.Where(line => !line.Contains("ngstrom", StringComparison.Ordinal)))      // an added token, spelled as it is
            Assert.Equal(CanonicalForm.Compose(line), tokenizer.Decode(tokenizer.Encode(line)));
    }

    [Theory]
    [InlineData("llama3")]
    [InlineData("cjk")]
    public void StreamOfCorpusTokensEqualsTheBytesAndNeverCutsACharacter(string vocabulary)
    {
        var tokenizer = TokenizerFixture.FromGguf(vocabulary);
        for (var line = 0; line < TokenizerFixture.Corpus.Length; line += 3)
            AssertStream(tokenizer, tokenizer.Encode(TokenizerFixture.Corpus[line]), $"line {line}");
    }

    [Fact]
    public void StreamOfRandomTokensEqualsTheBytesWithReplacementCharacters()
    {
        const int seed = 17;
        var random = new Random(seed);
        using var gguf = Gguf.Open(TestModels.StoriesGguf);
        Tokenizer[] tokenizers = [TokenizerFixture.FromJson("llama3"), TokenizerFixture.FromJson("cjk"), Tokenizer.FromGguf(gguf.Metadata, gguf.Path)];
        for (var round = 0; round < 3000; round++)
        {
            var tokenizer = tokenizers[round % tokenizers.Length];
            var tokens = new int[random.Next(1, 12)];
            for (var i = 0; i < tokens.Length; i++)
                tokens[i] = random.Next(random.Next(2) == 0 ? 260 : tokenizer.VocabularySize);      // bytes come first in all of them
            AssertStream(tokenizer, tokens, $"seed {seed} round {round}");
        }
    }

    [Fact]
    public void EverySplitOfAStreamGivesTheSameText()
    {
        var tokenizer = TokenizerFixture.FromJson("llama3");
        var tokens = tokenizer.Encode("\U0001F469\u200D\U0001F680 na\u00EFve \U00020000\u6C34", addBegin: false);
        var whole = tokenizer.Decode(tokens);
        for (var split = 0; split <= tokens.Length; split++)
        {
            var decoder = tokenizer.CreateDecoder();
            var first = string.Concat(tokens[..split].Select(decoder.Push));
            Assert.StartsWith(first, whole, StringComparison.Ordinal);
            Assert.Equal(whole, first + string.Concat(tokens[split..].Select(decoder.Push)) + decoder.Finish());
        }
    }

    [Fact]
    public void AnIncompleteCharacterBecomesAReplacementAtTheEndAndTheDecoderIsAsNew()
    {
        var tokenizer = TokenizerFixture.FromJson("llama3");
        var emoji = tokenizer.Encode("\U0001F9FF", addBegin: false);
        Assert.True(emoji.Length > 1);
        var decoder = tokenizer.CreateDecoder();
        Assert.Equal("", decoder.Push(emoji[0]));
        Assert.Equal("\uFFFD", decoder.Finish());
        Assert.Equal("\U0001F9FF", string.Concat(emoji.Select(decoder.Push)));
        Assert.Equal("", decoder.Finish());
    }

    private static void AssertStream(Tokenizer tokenizer, int[] tokens, string what)
    {
        var bytes = tokens.SelectMany(token => tokenizer.Bytes(token).ToArray()).ToArray();
        var expected = Encoding.UTF8.GetString(bytes);
        var decoder = tokenizer.CreateDecoder(continues: true);
        var parts = tokens.Select(decoder.Push).ToList();
        parts.Add(decoder.Finish());
        Assert.True(expected == string.Concat(parts), what);
        foreach (var part in parts.Where(part => part.Length > 0))
            Assert.False(char.IsLowSurrogate(part[0]) || char.IsHighSurrogate(part[^1]), what);
        var dropped = tokenizer.Decode(tokens);
        Assert.True(dropped == expected || " " + dropped == expected, what);
    }
}
