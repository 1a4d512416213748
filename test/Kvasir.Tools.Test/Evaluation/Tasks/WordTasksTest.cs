using System.Text.RegularExpressions;
using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Evaluation.Tasks;

public sealed class WordTasksTest
{
    [Theory]
    [InlineData(32768, 30, 3, 10, 3)]
    [InlineData(3000, 6, 1, 3, 1)]
    [InlineData(1100, 6, 1, 0, 0)]
    public void CountedWordsComeAsOftenAsRulerSays(int length, int often, int seldom, int shownOften, int shownSeldom)
    {
        var sample = TaskCatalog.Create("cwe").Generate(new SampleRequest(EvaluationTokenizers.Bytes, length, 1, 0));
        var lists = sample.Context.Split("Some words come often")[1..];
        Assert.Equal(shownOften == 0 ? 1 : 2, lists.Length);
        AssertCounts(lists[^1], often, seldom, sample.Answers);
        if (shownOften > 0)
            AssertCounts(lists[0].Split("\n\nWhich")[0], shownOften, shownSeldom, null);
        Assert.True(lists.Length == 1 || sample.Answers.All(word => !Regex.IsMatch(lists[0], $@"\b{word}\b")), "the example shows a word that is asked for");
    }

    [Fact]
    public void LongListsOfCountedWordsAreOfWordsOfTwoNouns()
    {
        var (plain, compound) = (Sample(16_384), Sample(131_072));
        Assert.All(plain.Answers, word => Assert.Contains(word, Kvasir.Evaluation.Texts.Lexicon.Words));
        Assert.All(compound.Answers, word => Assert.DoesNotContain(word, Kvasir.Evaluation.Texts.Lexicon.Words));
        Assert.Equal(1, compound.Score(TrivialReader.Answer("cwe", compound)));

        static Sample Sample(int length) => TaskCatalog.Create("cwe").Generate(new SampleRequest(EvaluationTokenizers.Bytes, length, 1, 0));
    }

    [Fact]
    public void CodedWordsFallWithTheSquareOfTheirRank()
    {
        var sample = TaskCatalog.Create("fwe").Generate(new SampleRequest(EvaluationTokenizers.Bytes, 32768, 1, 0));
        var words = sample.Context[(sample.Context.LastIndexOf("\n\n", StringComparison.Ordinal) + 2)..].Split(' ');
        var counts = words.GroupBy(word => word).Where(group => group.Key != ".").OrderByDescending(group => group.Count()).ToArray();
        Assert.Equal("...", counts[0].Key);
        Assert.Equal(sample.Answers, counts[1..4].Select(group => group.Key));
        for (var rank = 1; rank <= 10; rank++)
            Assert.Equal(counts[0].Count() / (double)(rank * rank), counts[rank - 1].Count(), 1.0);
        Assert.All(counts[1..], group => Assert.Matches("^[a-z]{6}$", group.Key));
    }

    [Fact]
    public void TheLastCodedWordIsMoreFrequentThanTheNextAtEveryLength()
    {
        for (var length = 400; length < 1500; length += 7)
        {
            var sample = TaskCatalog.Create("fwe").Generate(new SampleRequest(EvaluationTokenizers.Bytes, length, 1, 0));
            var counts = Regex.Matches(sample.Context.Split("\n\n")[1], "[a-z]{6}").GroupBy(match => match.Value).Select(group => (group.Key, Count: group.Count())).ToArray();
            var asked = counts.Where(word => sample.Answers.Contains(word.Key)).ToArray();
            Assert.Equal(3, asked.Length);
            Assert.All(counts.Except(asked), word => Assert.True(word.Count < asked.Min(other => other.Count), $"at {length} tokens"));
        }
    }

    [Fact]
    public void VariablesAreHandedOnFourTimesInOrder()
    {
        var sample = TaskCatalog.Create("vt").Generate(new SampleRequest(EvaluationTokenizers.Bytes, 8192, 1, 0));
        var texts = sample.Context.Split("Variables are assigned")[1..];
        Assert.Equal(2, texts.Length);
        foreach (var text in texts)
        {
            var chain = Regex.Matches(text, @"VAR (\w+) = (?:VAR )?(\w+)\.").ToArray();
            Assert.Equal(5, chain.Length);
            for (var i = 1; i < chain.Length; i++)
                Assert.Equal(chain[i - 1].Groups[1].Value, chain[i].Groups[2].Value);
            Assert.All(chain, assignment => Assert.Equal(text == texts[1], sample.Answers.Contains(assignment.Groups[1].Value)));
        }
    }

    private static void AssertCounts(string list, int often, int seldom, IReadOnlyList<string>? asked)
    {
        var words = Regex.Matches(list, @"(\d+)\. ([a-z]+)").ToArray();
        Assert.Equal(Enumerable.Range(1, words.Length), words.Select(word => int.Parse(word.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)));
        var counts = words.GroupBy(word => word.Groups[2].Value).ToDictionary(group => group.Key, group => group.Count());
        Assert.Equal(10, counts.Values.Count(count => count == often));
        Assert.Equal(counts.Count - 10, counts.Values.Count(count => count == seldom));
        Assert.All(asked ?? [], word => Assert.Equal(often, counts[word]));
    }
}
