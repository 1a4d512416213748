using Kvasir.Text;

namespace Kvasir.Test.Text;

public sealed class GgufTokenizerTest
{
    [Fact]
    public void SentencePieceMergesTheBestScoreFirst()
    {
        var tokenizer = TokenizerFixture.FromGguf(VocabularyGguf.SentencePiece().Bytes());
        Assert.Equal([1, 8, 6], tokenizer.Encode("ab"));                 // "_a" (-1) beats "ab" (-2)
        Assert.Equal([1, 8, 6, 7, 3], tokenizer.Encode("abab\n"));
        Assert.Equal("abab\n", tokenizer.Decode([1, 8, 6, 7, 3]));
        Assert.Equal([0, 0, 0], tokenizer.Encode("\u6C34", addBegin: false)[1..]);      // no byte tokens for these: unknown ones
    }

    [Fact]
    public void FlagsOfTheFileDecideOnPrefixBeginAndEnd()
    {
        var plain = TokenizerFixture.FromGguf(VocabularyGguf.SentencePiece().With("add_space_prefix", false).With("add_bos_token", false).With("add_eos_token", true).Bytes());
        Assert.Equal([7], plain.Encode("ab"));
        Assert.Equal(" a", plain.Decode(plain.Encode(" a")));
        Assert.Equal((false, true), (plain.AddsBegin, plain.AddsEnd));
    }

    [Theory]
    [InlineData("llama-bpe", true)]
    [InlineData("llama3", true)]
    [InlineData("smaug-bpe", false)]
    [InlineData("qwen2", false)]
    [InlineData("gpt-2", false)]
    [InlineData("default", false)]
    [InlineData("smollm", false)]
    [InlineData("tekken", true)]
    public void PreTokenizersAreKnownByName(string pre, bool addsBegin)
    {
        var tokenizer = TokenizerFixture.FromGguf(VocabularyGguf.ByteLevel(pre).Bytes());
        Assert.Equal(addsBegin, tokenizer.AddsBegin);
        Assert.Equal([2, 3, 2], tokenizer.Encode("ab ab", addBegin: false));
        Assert.Equal([5], tokenizer.EndTokens);
    }

    [Fact]
    public void UnknownPreTokenizerIsRefusedWithTheKnownOnes()
    {
        var error = Assert.Throws<KvasirException>(() => TokenizerFixture.FromGguf(VocabularyGguf.ByteLevel("deepseek-v3").Bytes()));
        Assert.Equal(KvasirError.Unsupported, error.Error);
        Assert.Contains("tokenizer.ggml.pre is 'deepseek-v3'", error.Message, StringComparison.Ordinal);
        Assert.Contains("gpt-2, granite-docling", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EndTokensAreThoseOfTheKeysAndThoseKnownByName()
    {
        string[] pieces = ["<unk>", "<s>", "</s>", "a", "<|eot_id|>", "<|im_end|>", "<x>", "<y>"];
        var tokenizer = TokenizerFixture.FromGguf(VocabularyGguf.SentencePiece().With("tokens", pieces).With("scores", new float[8]).With("token_type", [2, 3, 3, 1, 1, 3, 3, 3])
            .With("eot_token_id", 6u).With("eom_token_id", 7u).Bytes());
        Assert.Equal([2, 4, 5, 6, 7], tokenizer.EndTokens);
        Assert.True(tokenizer.IsControl(4), "a known end token is a control token whatever the file calls it");
    }

    public static TheoryData<string, string> Damages => new()
    {
        { "model", "key tokenizer.ggml.model" },
        { "tokens", "key tokenizer.ggml.tokens" },
        { "scores", "key tokenizer.ggml.scores" },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public void AMissingKeyIsNamed(string key, string message) => AssertBad(VocabularyGguf.SentencePiece().Without(key), message);

    [Fact]
    public void DamagedKeysAreNamed()
    {
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").Without("merges"), "key tokenizer.ggml.merges is missing");
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").With("merges", ["a b", "a c"]), "key tokenizer.ggml.merges names a right piece that is not in the vocabulary: 'a c' at index 1");
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").With("merges", ["b a"]), "makes a piece that is not in the vocabulary");
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").With("merges", ["ab"]), "is not two pieces");
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").With("merges", 3u), "tokenizer.ggml.merges");
        AssertBad(VocabularyGguf.SentencePiece().With("scores", [1f]), "key tokenizer.ggml.scores has 1 entries; tokenizer.ggml.tokens has 9");
        AssertBad(VocabularyGguf.SentencePiece().With("scores", [0f, 0, 0, float.NaN, 0, 0, 0, 0, 0]), "tokenizer.ggml.scores");
        AssertBad(VocabularyGguf.SentencePiece().With("token_type", [1]), "key tokenizer.ggml.token_type has 1 entries");
        AssertBad(VocabularyGguf.SentencePiece().With("tokens", ["<unk>", "a", "a"]).With("scores", new float[3]).With("token_type", new int[3]), "has 'a' at both 1 and 2");
        AssertBad(VocabularyGguf.SentencePiece().With("bos_token_id", 9u), "key tokenizer.ggml.bos_token_id is 9; tokenizer.ggml.tokens has 9 entries");
        AssertBad(VocabularyGguf.SentencePiece().With("eot_token_id", uint.MaxValue), "key tokenizer.ggml.eot_token_id is 4294967295");
        AssertBad(VocabularyGguf.SentencePiece().With("add_bos_token", "yes"), "tokenizer.ggml.add_bos_token");
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").Without("bos_token_id").With("add_bos_token", true), "key tokenizer.ggml.add_bos_token is true");
    }

    private static void AssertBad(VocabularyGguf file, string message)
    {
        var error = Assert.Throws<KvasirException>(() => TokenizerFixture.FromGguf(file.Bytes()));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
