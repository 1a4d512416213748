using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Texts;
using Kvasir.Text;

namespace Kvasir.Tools.Test.Evaluation.Tasks;

public sealed class NeedleModelTaskTest
{
    private static readonly string[] Known = [.. NeedleVocabulary.Of(EvaluationTokenizers.Bytes).Names.Where((_, i) => i % 27 == 5)];

    private static readonly Lazy<Tokenizer> Needle = new(() => Knowing(Known));

    [Fact]
    public void NamesAreThoseThatTheVocabularyHasAsTokens()
    {
        Assert.Equal(100, Known.Length);
        Assert.Equal(Known, NeedleVocabulary.Of(Needle.Value).Names);
        Assert.Equal(2700, NeedleVocabulary.Of(EvaluationTokenizers.Stories).Names.Length, 100.0);
        var sample = Sample("needle_niah", 1000, 3);
        Assert.All(Regex.Matches(sample.Context, @"key (\w+) number"), match => Assert.Contains(match.Groups[1].Value, Known));
    }

    [Theory]
    [InlineData("needle_niah", @"^( [a-z.]+)* question : key [a-z]{5}$")]
    [InlineData("needle_multikey", @"^( key [a-z]{5} \d\d \.)+( \.)* question : key [a-z]{5}$")]
    [InlineData("needle_trace", @" VAR [a-z]{5} [a-z]{5} \..* question : VAR [a-z]{5}$")]
    [InlineData("needle_common", @"^( [a-z]{5})+ question : most common words are$")]
    [InlineData("needle_frequent", @"^( [a-z]{5})+ question : most frequent words are$")]
    public void TextsAreWordedAsTheModelKnowsThem(string name, string pattern)
    {
        var prompt = Sample(name, 400, 0).Prompt;
        Assert.Matches(pattern, name == "needle_niah" ? Regex.Replace(prompt, @" key [a-z]{5} \d\d \.", "") : prompt);
    }

    [Fact]
    public void IdleWordsGoBetweenNeedlesWhenThereAreNoMoreNames()
    {
        var sample = Sample("needle_multikey", 6000, 0);
        var needles = Regex.Matches(sample.Context, @"key ([a-z]{5}) \d").Select(match => match.Groups[1].Value).ToArray();
        Assert.Equal(100, needles.Length);
        Assert.Equal(100, needles.Distinct().Count());
        Assert.InRange(Needle.Value.Encode(sample.Prompt).Length + sample.AnswerTokens, 5940, 6000);
    }

    [Fact]
    public void MostFrequentWordsComeFirstAndNoTwoEquallyOften()
    {
        for (var index = 0; index < 50; index++)
        {
            var sample = Sample("needle_common", 150 + 20 * index, index);
            var counts = Regex.Matches(sample.Context, @"\w+").GroupBy(match => match.Value).OrderByDescending(group => group.Count()).ToArray();
            Assert.Equal(sample.Answers, counts.Take(sample.Answers.Count).Select(group => group.Key));
            for (var i = 0; i < sample.Answers.Count; i++)
                Assert.True(counts[i].Count() > counts[i + 1].Count(), $"sample {index}");
        }
    }

    private static Sample Sample(string name, int length, int index) => TaskCatalog.Create(name).Generate(new SampleRequest(Needle.Value, length, 1, index));

    // Byte-level, with words that are tokens whatever the merges are.
    private static Tokenizer Knowing(string[] words)
    {
        var pieces = Enumerable.Range(0, 256).Select(i => EvaluationTokenizers.Bytes.Piece(i)).Concat(words.Select(word => "\u0120" + word)).ToArray();
        var vocabulary = JsonSerializer.Serialize(pieces.Select((piece, id) => (piece, id)).ToDictionary(pair => pair.piece, pair => pair.id));
        return TokenizerFixture.FromJson(System.Text.Encoding.UTF8.GetBytes($$"""
            {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}, "decoder": {"type": "ByteLevel"},
             "model": {"type": "BPE", "ignore_merges": true, "vocab": {{vocabulary}}, "merges": [] } }
            """));
    }
}
