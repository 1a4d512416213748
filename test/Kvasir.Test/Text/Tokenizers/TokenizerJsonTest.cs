using System.Text;
using System.Text.Json.Nodes;
using Kvasir.Text;

namespace Kvasir.Test.Text.Tokenizers;

public sealed class TokenizerJsonTest
{
    private const string Small = """
        {"added_tokens":[{"id":6,"content":"<e>","special":true},{"id":9,"content":"<t>","special":false}],
         "normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
         "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<e>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<e>","type_id":0}}]},
         "decoder":{"type":"ByteLevel"},
         "model":{"type":"BPE","unk_token":null,"vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4,"bc":5},"merges":["a b","ab c",["b","c"]]}}
        """;

    [Fact]
    public void MergesApplyByRankAndTheTemplateGivesBeginAndEnd()
    {
        var tokenizer = TokenizerFixture.FromJson(Encoding.UTF8.GetBytes(Small));
        Assert.Equal([6, 4, 5, 9, 0], tokenizer.Encode("abcbc<t>a"));
        Assert.Equal((true, true, 6, 10), (tokenizer.AddsBegin, tokenizer.AddsEnd, tokenizer.BeginToken, tokenizer.VocabularySize));
        Assert.Equal("abcbc<t>a", tokenizer.Decode([6, 4, 5, 9, 0]));
        Assert.Equal("", tokenizer.Piece(8));
        Assert.True(tokenizer.Bytes(8).IsEmpty);
    }

    [Fact]
    public void FilesBesideItNameBeginAndEndTokens()
    {
        var folder = Directory.CreateTempSubdirectory("kvasir-tokenizer-");
        try
        {
            string Place(string name) => Path.Combine(folder.FullName, name);
            File.WriteAllText(Place("tokenizer.json"), Small);
            File.WriteAllText(Place("tokenizer_config.json"), """{"bos_token":{"content":"<t>"},"eos_token":"<e>"}""");
            File.WriteAllText(Place("generation_config.json"), """{"eos_token_id":[6,4]}""");
            File.WriteAllText(Place("config.json"), """{"eos_token_id":3}""");
            var tokenizer = Tokenizer.FromFolder(folder.FullName);
            Assert.Equal([3, 4, 6], tokenizer.EndTokens);
            Assert.Equal((9, 6), (tokenizer.BeginToken, tokenizer.EndToken));

            var notes = new Notes();
            File.WriteAllText(Place("generation_config.json"), """{"eos_token_id":[6,10,8,-1,2.0]}""");
            Assert.Equal([2, 3, 6], Tokenizer.FromFolder(folder.FullName, notes).EndTokens);
            Assert.Equal(
                ["key eos_token_id[1] is 10, which no token has; the tokenizer has ids 0 to 9; it counts as absent", "key eos_token_id[2] is 8, which no token has; the tokenizer has ids 0 to 9; it counts as absent"],
                notes.Lines.Select(static line => line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..]));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
        Assert.Equal(KvasirError.FileNotFound, Assert.Throws<KvasirException>(() => Tokenizer.FromFolder(folder.FullName)).Error);
    }

    [Theory]
    [InlineData("model", null, "has no key 'model'")]
    [InlineData("model.vocab", null, "key model has no key 'vocab'")]
    [InlineData("model.merges", null, "key model has no key 'merges'")]
    [InlineData("model.vocab", "[]", "key model.vocab is Array")]
    [InlineData("model.vocab.a", "\"0\"", "key model.vocab.a is String")]
    [InlineData("model.vocab.b", "0", "which is also the id of ")]
    [InlineData("model.vocab.a", "-1", "key model.vocab.a is -1")]
    [InlineData("model.vocab.a", "1e99", "key model.vocab.a is 1e99")]
    [InlineData("model.vocab.a", "2000000000", "65536 unused ids are allowed")]
    [InlineData("model.merges", "[[\"a\"]]", "key model.merges[0] has 1 entries")]
    [InlineData("model.merges", "[7]", "key model.merges[0]")]
    [InlineData("model.type", "\"Unigram\"", "key model.type is 'Unigram'; supported is BPE")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"", "key model.end_of_word_suffix")]
    [InlineData("added_tokens", "[{\"id\":3,\"content\":\"<e>\"}]", "key added_tokens[0].id is 3, which is also the id of 'ab'")]
    [InlineData("added_tokens", "[{\"id\":7,\"content\":\"ab\"}]", "'ab' is already id 3")]
    [InlineData("added_tokens", "[{\"content\":\"ab\"}]", "key added_tokens[0] has no key 'id'")]
    [InlineData("added_tokens", "[{\"id\":6,\"content\":\"\\ud800\"}]", "key added_tokens[0].content is not valid text")]
    [InlineData("pre_tokenizer", "{\"type\":\"Punctuation\"}", "key pre_tokenizer has Punctuation; it is supported in Falcon's sequence alone")]
    [InlineData("pre_tokenizer", "{\"type\":\"BertPreTokenizer\"}", "key pre_tokenizer.type is 'BertPreTokenizer'; supported are")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"\\\\d+\"}}", "is not among the supported expressions (llama3, qwen2, gpt-2, tekken, gpt-4o, seed, and the three of deepseek-v3 in a row): \\d+")]
    [InlineData("normalizer", "{\"type\":\"Lowercase\"}", "key normalizer.type is 'Lowercase'")]
    [InlineData("decoder", "{\"type\":\"WordPiece\"}", "key decoder.type is 'WordPiece'")]
    [InlineData("post_processor", "{\"type\":\"BertProcessing\"}", "key post_processor.type is 'BertProcessing'")]
    public void DamageIsNamedByFileAndKey(string key, string? value, string message)
    {
        var root = JsonNode.Parse(Small)!;
        var parts = key.Split('.');
        var parent = parts[..^1].Aggregate(root, (node, part) => node[part]!).AsObject();
        parent.Remove(parts[^1]);
        const string marker = "\"@@@\"";
        if (value is not null)
            parent[parts[^1]] = "@@@";
        var error = Assert.Throws<KvasirException>(() => TokenizerFixture.FromJson(Encoding.UTF8.GetBytes(root.ToJsonString().Replace(marker, value, StringComparison.Ordinal))));
        Assert.Contains("tokenizer.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("\"unk_token\":null", "\"unk_token\":\"<unk>\"", "key model.unk_token is '<unk>', which is not in the vocabulary; it counts as absent")]
    [InlineData("\"unk_token\":null", "\"unk_token\":7", "key model.unk_token is Number; a string was expected; it counts as absent")]
    [InlineData("\"ab c\",", "\"ab c\",\"a z\",[\"b\",\"b\"],", "key model.merges holds 2 of 5 merges that have no effect: 'z' at index 2 is a right piece that is not in the vocabulary")]
    [InlineData("}}]}", "}},{\"SpecialToken\":{\"id\":\"<none>\",\"type_id\":0}}]}", "is '<none>', which is not in the vocabulary; it counts as absent")]
    public void SideSettingThatCannotBeFollowedIsPassedOverWithOneNote(string sound, string changed, string note)
    {
        var notes = new Notes();
        Assert.Contains(sound, Small, StringComparison.Ordinal);
        var tokenizer = TokenizerFixture.FromJson(Encoding.UTF8.GetBytes(Small.Replace(sound, changed, StringComparison.Ordinal)), notes);
        Assert.Equal([6, 4, 5, 9, 0], tokenizer.Encode("abcbc<t>a"));
        Assert.Equal((true, true), (tokenizer.AddsBegin, tokenizer.AddsEnd));
        Assert.Contains(note, Assert.Single(notes.Lines), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void DamagedBytesGiveATokenizerOrOneError()
    {
        const int seed = 23;
        var random = new Random(seed);
        var sound = Encoding.UTF8.GetBytes(Small);
        int errors = 0, loaded = 0;
        for (var round = 0; round < 800; round++)
        {
            var bytes = (byte[])sound.Clone();
            for (var edits = random.Next(1, 4); edits > 0; edits--)
                bytes[random.Next(bytes.Length)] = random.Next(3) == 0 ? (byte)random.Next(256) : sound[random.Next(sound.Length)];
            if (random.Next(4) == 0)
                bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                TokenizerFixture.FromJson(bytes).Encode("abcab <e>", parseSpecial: true);
                loaded++;
            }
            catch (KvasirException)
            {
                errors++;
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {seed} round {round}: {exception}");
            }
        }
        Assert.True(errors > 300 && loaded > 10, $"{errors} errors, {loaded} loaded");
    }
}
