using System.Text;
using System.Text.Json.Nodes;
using Kvasir.Files;
using Kvasir.Test.Models;
using Kvasir.Text;

namespace Kvasir.Test.Text;

/// <summary>Token for token against the references: @huggingface/tokenizers for tokenizer.json, llama.cpp for GGUF.</summary>
public sealed class TokenizerGoldenTest
{
    [Theory]
    [InlineData("llama3")]
    [InlineData("gpt2")]
    [InlineData("qwen2")]
    [InlineData("smollm")]
    [InlineData("tekken")]
    [InlineData("falcon")]
    [InlineData("cjk")]
    [InlineData("cjk-nospace")]
    public void GgufTokensEqualThoseOfLlamaCpp(string vocabulary) =>
        AssertGguf(vocabulary, TokenizerFixture.FromGguf(vocabulary), TokenizerFixture.Tokens(vocabulary.Replace("-nospace", "", StringComparison.Ordinal) + ".json"));

    [Fact]
    public void BundledModelsTokensEqualThoseOfBothReferences()
    {
        using var gguf = Gguf.Open(TestModels.StoriesGguf);
        var expected = TokenizerFixture.Tokens("stories260K.json");
        AssertTokens(Tokenizer.FromFolder(TestModels.StoriesFolder), parseSpecial: true, expected);
        AssertGguf("stories260K", Tokenizer.FromGguf(gguf.Metadata, gguf.Path), expected);
    }

    [Theory]
    [InlineData("llama3")]
    [InlineData("gpt2")]
    [InlineData("qwen2")]
    [InlineData("smollm")]
    [InlineData("tekken")]
    [InlineData("falcon")]
    [InlineData("cjk")]
    public void JsonTokensEqualThoseOfHuggingFace(string vocabulary) =>
        AssertTokens(TokenizerFixture.FromJson(vocabulary), parseSpecial: true, TokenizerFixture.Tokens(vocabulary + ".json"));

    [Fact]
    public void MetaspaceOfTheFirstSectionEqualsHuggingFace()
    {
        AssertTokens(TokenizerFixture.FromJson(TokenizerForms.Json("cjk-first")), parseSpecial: true, TokenizerFixture.Tokens("cjk-first.json", TokenizerFixture.Tokens("cjk.json")));
    }

    // A vocabulary that was trained with other words, cut by the names that families' files have.
    [Theory]
    [InlineData("gpt-4o", "llama3", "llama-bpe")]
    [InlineData("seed-coder", "qwen2", "qwen2")]
    [InlineData("hunyuan-dense", "llama3", "llama-bpe")]
    public void GgufWordsAreCutAsLlamaCppCutsThem(string name, string vocabulary, string own)
    {
        var plain = TokenizerFixture.Tokens(vocabulary + ".gguf-plain", TokenizerFixture.Tokens(vocabulary + ".json"));
        AssertTokens(TokenizerFixture.FromGguf(WithPre(TokenizerFixture.Unpack(vocabulary + ".gguf"), own, name)), parseSpecial: false, TokenizerFixture.Tokens("words-" + name, plain));
    }

    // Characters merged by rank, words that end at line breaks, and runs of these that are pieces.
    [Fact]
    public void Gemma4sWordsAreCutAsLlamaCppCutsThem() =>
        AssertTokens(TokenizerFixture.FromGguf("gemma4"), parseSpecial: false, TokenizerFixture.Tokens("words-gemma4"));

    // Whatever the file says: the first files said that none comes first.
    [Fact]
    public void Gemma4sTextsBegin()
    {
        var tokenizer = TokenizerFixture.FromGguf("gemma4");
        Assert.Equal(tokenizer.BeginToken, tokenizer.Encode("a", addBegin: true)[0]);
        Assert.Equal("a\n\n b", tokenizer.Decode(tokenizer.Encode("a\n\n b", addBegin: false)));
        Assert.Contains("\n\n", tokenizer.Encode("a\n\nb", addBegin: false).Select(tokenizer.Piece));
    }

    // The same of folders, by the expressions and steps that families' files have. Hugging Face's tokens of the vocabulary's own cut are the base.
    [Theory]
    [InlineData("gpt-4o", "llama3")]
    [InlineData("seed", "qwen2")]
    [InlineData("gemma", "cjk")]
    [InlineData("deepseek", "llama3")]
    public void JsonWordsAreCutAsHuggingFaceCutsThem(string name, string vocabulary)
    {
        AssertTokens(
            TokenizerFixture.FromJson(TokenizerForms.Json(name)), parseSpecial: true,
            TokenizerFixture.Tokens($"words-{name}.json", TokenizerFixture.Tokens(vocabulary + ".json")));
    }

    // One of the three alone, in another order, or with another behaviour is another pre-tokenizer.
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 2)]
    [InlineData(0, 2)]
    public void DeepSeeksExpressionsInAnotherOrderAreRefused(int first, int second)
    {
        var json = JsonNode.Parse(TokenizerFixture.Unpack("llama3.json"))!;
        var steps = json["pre_tokenizer"]!["pretokenizers"]!.AsArray();
        var expressions = TokenizerForms.DeepSeek.ToArray();
        (expressions[first], expressions[second]) = (expressions[second], expressions[first]);
        for (var i = expressions.Length - 1; i >= 0; i--)
        {
            var step = steps[0]!.DeepClone();
            step["pattern"]!["Regex"] = expressions[i];
            steps.Insert(1, step);
        }

        steps.RemoveAt(0);
        var refusal = Assert.Throws<KvasirException>(() => TokenizerFixture.FromJson(Encoding.UTF8.GetBytes(json.ToJsonString())));
        Assert.Contains("is not among the supported expressions", refusal.Message, StringComparison.Ordinal);
    }

    // Text behind a key of a file without tensors: nothing says where what follows it lies.
    private static byte[] WithPre(byte[] gguf, string own, string other)
    {
        var at = gguf.AsSpan().IndexOf("tokenizer.ggml.pre"u8) + "tokenizer.ggml.pre".Length + sizeof(int);
        Assert.Equal(own, Encoding.UTF8.GetString(gguf, at + sizeof(long), own.Length));
        return [.. gguf[..at], .. BitConverter.GetBytes((long)other.Length), .. Encoding.UTF8.GetBytes(other), .. gguf[(at + sizeof(long) + own.Length)..]];
    }

    private static void AssertGguf(string name, Tokenizer tokenizer, int[]?[] same)
    {
        AssertTokens(tokenizer, parseSpecial: true, TokenizerFixture.Tokens(name + ".gguf-special", same));
        AssertTokens(tokenizer, parseSpecial: false, TokenizerFixture.Tokens(name + ".gguf-plain", same));
    }

    private static void AssertTokens(Tokenizer tokenizer, bool parseSpecial, int[]?[] expected)
    {
        var tried = 0;
        for (var line = 0; line < expected.Length; line++)
        {
            if (expected[line] is not { } ids)
                continue;
            var text = TokenizerFixture.Corpus[line];
            var found = tokenizer.Encode(text, addBegin: false, parseSpecial);
            if (!parseSpecial && ids.Any(tokenizer.IsControl))
            {
                // llama.cpp lets the letters of "</s>" merge into the control token even where it is told not to parse it.
                Assert.DoesNotContain(found, tokenizer.IsControl);
                Assert.Contains(tokenizer.Piece(ids.First(tokenizer.IsControl)), tokenizer.Decode(found), StringComparison.Ordinal);
                continue;
            }
            if (!found.AsSpan().SequenceEqual(ids))
                Assert.Fail($"line {line}, special {parseSpecial}, {System.Text.Json.JsonSerializer.Serialize(text)}:\nexpected {Show(tokenizer, ids)}\nfound    {Show(tokenizer, found)}");
            tried++;
        }
        Assert.True(tried >= 1200, $"only {tried} lines were tried");
    }

    private static string Show(Tokenizer tokenizer, int[] tokens) => string.Join(' ', tokens.Select(token => $"{token}={tokenizer.Piece(token)}"));
}
