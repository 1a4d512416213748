using System.Text;
using CsCheck;

namespace Kvasir.Test.Text;

/// <summary>Whatever text is encoded comes back, at once and token by token, and is never control.</summary>
public sealed class TokenizerRoundTripTest
{
    private static readonly string[] Pieces = ["<|endoftext|>", "<s>", "</s>", "<unk>", "<0x41>", "it's", "I'LL", "  ", "\r\n", "\U0001F469\u200D\U0001F680", "..."];

    // Scalars of every length in UTF-8, and what tokenizers treat in ways of their own.
    private static readonly Gen<string> Scalar = Gen.OneOf(
        Gen.Int['a', 'z'], Gen.Int['A', 'Z'], Gen.Int['0', '9'], Gen.Const((int)' '), Gen.Const((int)'\n'), Gen.Int[0x21, 0x7E], Gen.Int[1, 0x1F], Gen.Int[0xA0, 0x24F],
        Gen.Int[0x300, 0x36F], Gen.Int[0x600, 0x6FF], Gen.Int[0x2000, 0x206F], Gen.Int[0x3040, 0x30FF], Gen.Int[0x4E00, 0x9FFF], Gen.Int[0xE000, 0xFFFD], Gen.Int[0x10000, 0x10FFFF])
        .Select(static scalar => new Rune(scalar).ToString());

    private static readonly Gen<string> Text = Gen.OneOf(
        Scalar, Scalar, Scalar, Gen.Int[0, Pieces.Length - 1].Select(static i => Pieces[i])).Array[0, 40].Select(string.Concat);

    [Theory]
    [InlineData("gpt2.json")]
    [InlineData("llama3.json")]
    [InlineData("smollm.json")]
    [InlineData("tekken.json")]
    [InlineData("gpt2.gguf")]
    [InlineData("llama3.gguf")]
    [InlineData("qwen2.gguf")]
    [InlineData("tekken.gguf")]
    [InlineData("cjk.gguf")]
    [InlineData("cjk-nospace.gguf")]
    public void TextComesBack(string file)
    {
        var (name, kind) = (file.Split('.')[0], file.Split('.')[1]);
        var tokenizer = kind == "json" ? TokenizerFixture.FromJson(name) : TokenizerFixture.FromGguf(name);
        // SentencePiece writes spaces as U+2581, and llama.cpp takes <0x41> for the byte, in a text too.
        var isPiece = name.StartsWith("cjk", StringComparison.Ordinal);
        Text.Where(text => !isPiece || !(text.Contains('\u2581', StringComparison.Ordinal) || text.Contains("<0x", StringComparison.Ordinal))).Sample(text =>
        {
            var tokens = tokenizer.Encode(text, addBegin: false);
            Assert.Equal(text, tokenizer.Decode(tokens));
            Assert.DoesNotContain(tokens, tokenizer.IsControl);
            var decoder = tokenizer.CreateDecoder();
            Assert.Equal(text, string.Concat(tokens.Select(decoder.Push)) + decoder.Finish());
        }, iter: 400, threads: 1);
    }
}
