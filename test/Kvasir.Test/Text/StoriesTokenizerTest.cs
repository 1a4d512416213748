using Kvasir.Files;
using Kvasir.Test.Models;
using Kvasir.Text;

namespace Kvasir.Test.Text;

/// <summary>The bundled model's tokenizer, from both of its containers.</summary>
public sealed class StoriesTokenizerTest
{
    private const string Text = "Once upon a time, Lily\n said \u6C34 \U0001F389  twice.";

    [Fact]
    public void BothContainersGiveTheSameTokensAndText()
    {
        var folder = Tokenizer.FromFolder(TestModels.StoriesFolder);
        var file = FromGguf();
        Assert.Equal(512, folder.VocabularySize);
        Assert.Equal(512, file.VocabularySize);
        var tokens = folder.Encode(Text);
        Assert.Equal(tokens, file.Encode(Text));
        Assert.Equal([1, 403, 407, 261, 378], tokens[..5]);
        Assert.Equal(Text, folder.Decode(tokens));
        Assert.Equal(Text, file.Decode(tokens));
    }

    [Fact]
    public void BothContainersAgreeOnTheWholeCorpus()
    {
        var folder = Tokenizer.FromFolder(TestModels.StoriesFolder);
        var file = FromGguf();
        foreach (var line in TokenizerFixture.Corpus)
            Assert.Equal(folder.Encode(line, parseSpecial: true), file.Encode(line, parseSpecial: true));
    }

    [Fact]
    public void BeginAndEndAreTheOnesThatTheFilesName()
    {
        foreach (var tokenizer in new[] { Tokenizer.FromFolder(TestModels.StoriesFolder), FromGguf() })
        {
            Assert.Equal((1, 2, true, false), (tokenizer.BeginToken, tokenizer.EndToken, tokenizer.AddsBegin, tokenizer.AddsEnd));
            Assert.Equal([2], tokenizer.EndTokens);
            Assert.True(tokenizer.IsEnd(2));
            Assert.False(tokenizer.IsEnd(1) || tokenizer.IsEnd(-1) || tokenizer.IsEnd(512));
            Assert.True(tokenizer.IsControl(0) && tokenizer.IsControl(1) && tokenizer.IsControl(2));
            Assert.False(tokenizer.IsControl(3) || tokenizer.IsControl(300) || tokenizer.IsControl(9999));
            Assert.Equal([1], tokenizer.Encode(""));
            Assert.Equal([], tokenizer.Encode("", addBegin: false));
        }
    }

    [Fact]
    public void ControlTokensInTextAreParsedOnlyOnRequestAndWriteNothing()
    {
        foreach (var tokenizer in new[] { Tokenizer.FromFolder(TestModels.StoriesFolder), FromGguf() })
        {
            var parsed = tokenizer.Encode("a</s>b", addBegin: false, parseSpecial: true);
            Assert.Contains(2, parsed);
            Assert.DoesNotContain(2, tokenizer.Encode("a</s>b", addBegin: false));
            Assert.Equal("a</s>b", tokenizer.Decode(tokenizer.Encode("a</s>b")));
            Assert.True(tokenizer.Bytes(2).IsEmpty);
            Assert.Equal("</s>", tokenizer.Piece(2));
            Assert.True(tokenizer.Bytes(100_000).IsEmpty);
        }
    }

    [Fact]
    public void LeadingSpaceIsDroppedAtTheBeginningAndKeptInAContinuation()
    {
        var tokenizer = FromGguf();
        var lily = tokenizer.Encode("Lily", addBegin: false);
        Assert.Equal("Lily", tokenizer.Decode(lily));
        var decoder = tokenizer.CreateDecoder(continues: true);
        Assert.Equal(" Lily", string.Concat(lily.Select(decoder.Push)) + decoder.Finish());
    }

    private static Tokenizer FromGguf()
    {
        using var gguf = Gguf.Open(TestModels.StoriesGguf);
        return Tokenizer.FromGguf(gguf.Metadata, gguf.Path);
    }
}
