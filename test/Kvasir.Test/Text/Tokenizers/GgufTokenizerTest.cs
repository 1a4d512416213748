namespace Kvasir.Test.Text.Tokenizers;

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
        Assert.Contains("gpt-4o, granite-docling", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EndTokensAreThoseOfTheKeysAndThoseKnownByName()
    {
        string[] pieces = ["<unk>", "<s>", "</s>", "a", "<|eot_id|>", "<|im_end|>", "<x>", "<y>"];
        var tokenizer = TokenizerFixture.FromGguf(VocabularyGguf.SentencePiece().With("tokens", pieces).With("scores", new float[8]).With("token_type", [2, 3, 3, 1, 1, 3, 3, 3])
            .With("eot_token_id", 6u).With("eom_token_id", 7u).Bytes());
        Assert.Equal([2, 4, 5, 6, 7], tokenizer.EndTokens);
        // What ends a message of several ends no answer: other tokens do that there.
        Assert.Equal([2, 4, 5], EndsOf("<|end|>", "<|return|>", "<|call|>"));
        Assert.Equal([2, 3, 4], EndsOf("<|end|>", "<|return|>", "<x>"));
        Assert.True(tokenizer.IsControl(4), "a known end token is a control token whatever the file calls it");

        static IEnumerable<int> EndsOf(params string[] marks) => TokenizerFixture.FromGguf(VocabularyGguf.SentencePiece()
            .With("tokens", ["<unk>", "<s>", "</s>", .. marks]).With("scores", new float[3 + marks.Length]).With("token_type", [2, 3, 3, .. marks.Select(static _ => 3)]).Bytes()).EndTokens;
    }

    public static TheoryData<string, string> Damages => new()
    {
        { "model", "key tokenizer.ggml.model" },
        { "tokens", "key tokenizer.ggml.tokens" },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public void AMissingKeyIsNamed(string key, string message) => AssertBad(VocabularyGguf.SentencePiece().Without(key), message);

    [Fact]
    public void DamagedKeysAreNamed()
    {
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").Without("merges"), "key tokenizer.ggml.merges is missing");
        AssertBad(VocabularyGguf.ByteLevel("gpt-2").With("merges", 3u), "tokenizer.ggml.merges");
        AssertBad(VocabularyGguf.SentencePiece().With("scores", [1f]), "key tokenizer.ggml.scores has 1 entries; tokenizer.ggml.tokens has 9");
        AssertBad(VocabularyGguf.SentencePiece().With("token_type", [1]), "key tokenizer.ggml.token_type has 1 entries");
    }

    [Theory]
    [InlineData("bos_token_id", 9u, "key tokenizer.ggml.bos_token_id is 9, which no token has; tokenizer.ggml.tokens has 9 entries; it counts as absent")]
    [InlineData("eos_token_id", 512u, "key tokenizer.ggml.eos_token_id is 512, which no token has; tokenizer.ggml.tokens has 9 entries; it counts as absent")]
    [InlineData("unknown_token_id", 70000u, "key tokenizer.ggml.unknown_token_id is 70000, which no token has; tokenizer.ggml.tokens has 9 entries; it counts as absent")]
    [InlineData("eot_token_id", "5", "key 'tokenizer.ggml.eot_token_id' is String; an integer was expected; it counts as absent")]
    [InlineData("eom_token_id", -7, "key tokenizer.ggml.eom_token_id is -7, which no token has; tokenizer.ggml.tokens has 9 entries; it counts as absent")]
    [InlineData("eot_token_id", uint.MaxValue, null)]
    [InlineData("eot_token_id", -1, null)]
    [InlineData("add_bos_token", "yes", "key 'tokenizer.ggml.add_bos_token' is String; a boolean was expected; it counts as absent")]
    [InlineData("add_space_prefix", 1u, "key 'tokenizer.ggml.add_space_prefix' is U32; a boolean was expected; it counts as absent")]
    public void SideSettingThatCannotBeFollowedIsPassedOverWithOneNote(string key, object value, string? note)
    {
        var file = VocabularyGguf.SentencePiece();
        file = value switch { string text => file.With(key, text), int whole => file.With(key, whole), _ => file.With(key, (uint)value) };
        var tokenizer = TokenizerFixture.FromGguf(file.Bytes(), out var notes);
        Assert.Equal([1, 8, 6], tokenizer.Encode("ab"));
        Assert.Equal(((int?)1, (int?)2), (tokenizer.BeginToken, tokenizer.EndToken));
        Assert.Equal([2], tokenizer.EndTokens);
        Assert.Equal([0, 0, 0], tokenizer.Encode("\u6C34", addBegin: false)[1..]);
        if (note is null)
            Assert.Empty(notes);
        else
            Assert.EndsWith(note, Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void TokenToAddThatIsNotThereIsNotAdded()
    {
        var tokenizer = TokenizerFixture.FromGguf(
            VocabularyGguf.ByteLevel("gpt-2").Without("bos_token_id").Without("eos_token_id").With("add_bos_token", true).With("add_eos_token", true).Bytes(), out var notes);
        Assert.Equal((false, false), (tokenizer.AddsBegin, tokenizer.AddsEnd));
        Assert.Equal([2], tokenizer.Encode("ab"));
        Assert.Equal(2, notes.Count);
        Assert.Contains("key tokenizer.ggml.add_eos_token is true, but tokenizer.ggml.eos_token_id names no token", notes[1], StringComparison.Ordinal);
    }

    [Fact]
    public void SeveralEndTokensMayStandUnderOneKey()
    {
        var tokenizer = TokenizerFixture.FromGguf(VocabularyGguf.SentencePiece().With("eos_token_id", [5, 2, 40]).Bytes(), out var notes);
        Assert.Equal([2, 5], tokenizer.EndTokens);
        Assert.Equal(5, tokenizer.EndToken);
        Assert.Contains("is 40, which no token has", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void MergesOfPiecesThatAreNotThereHaveNoEffect()
    {
        string[] merges = ["a b c", "a z", "z", "b a", "a b", "\u0120 a"];
        var tokenizer = TokenizerFixture.FromGguf(VocabularyGguf.ByteLevel("gpt-2").With("merges", merges).Bytes(), out var notes);
        Assert.Equal([2, 3, 2, 4], tokenizer.Encode("ab ab a", addBegin: false));
        Assert.EndsWith("key tokenizer.ggml.merges holds 4 of 6 merges that have no effect: 'b c' at index 0 is a right piece that is not in the vocabulary", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutScoresTheLeftmostPairMergesFirst()
    {
        foreach (var file in new[] { VocabularyGguf.SentencePiece().Without("scores"), VocabularyGguf.SentencePiece().With("scores", Array.Empty<float>()) })
        {
            var tokenizer = TokenizerFixture.FromGguf(file.Bytes(), out var notes);
            Assert.Equal([1, 8, 6], tokenizer.Encode("ab"));
            Assert.EndsWith("key tokenizer.ggml.scores is missing; all pieces count as equally good", Assert.Single(notes), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void PieceThatIsThereTwiceIsFoundAsTheFirst()
    {
        string[] pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "b", "a", "\u2581a"];
        var tokenizer = TokenizerFixture.FromGguf(VocabularyGguf.SentencePiece().With("tokens", pieces).Bytes(), out var notes);
        Assert.Equal([5], tokenizer.Encode("xa", addBegin: false)[^1..]);
        Assert.Equal("a", tokenizer.Decode([7]));
        Assert.EndsWith("key tokenizer.ggml.tokens has 1 pieces twice; text becomes the first of them", Assert.Single(notes), StringComparison.Ordinal);
    }

    private static void AssertBad(VocabularyGguf file, string message)
    {
        var error = Assert.Throws<KvasirException>(() => TokenizerFixture.FromGguf(file.Bytes()));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
