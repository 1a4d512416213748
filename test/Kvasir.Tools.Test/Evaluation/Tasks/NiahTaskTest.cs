using System.Text.RegularExpressions;
using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Evaluation.Tasks;

public sealed class NiahTaskTest
{
    private const string Number = @"[1-9]\d{6}";

    private const string Uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";

    private const string Pair = "[a-z]+-[a-z]+";

    [Theory]
    [InlineData("niah_single_1", Pair, Number, 1, 1, 1)]
    [InlineData("niah_single_2", Pair, Number, 1, 1, 1)]
    [InlineData("niah_single_3", Pair, Uuid, 1, 1, 1)]
    [InlineData("niah_multikey_1", Pair, Number, 4, 1, 1)]
    [InlineData("niah_multivalue", Pair, Number, 1, 4, 4)]
    [InlineData("niah_multiquery", Pair, Number, 4, 1, 4)]
    [InlineData("niah", Pair, Number, 1, 1, 1)]
    public void NeedlesAreOfTheKindAndNumberThatRulerSays(string name, string key, string value, int keys, int values, int answers)
    {
        var sample = Sample(name);
        var needles = Needles(sample);
        Assert.Equal(keys * values, needles.Length);
        Assert.Equal(keys, needles.Select(needle => needle.Key).Distinct().Count());
        Assert.All(needles, needle => Assert.Matches($"^{key}$", needle.Key));
        Assert.All(needles, needle => Assert.Matches($"^{value}$", needle.Value));
        Assert.Equal(answers, sample.Answers.Count);
        Assert.Equal(keys * values == 1, sample.Depth is not null);
    }

    [Theory]
    [InlineData("niah_multikey_2", Pair, Number)]
    [InlineData("niah_multikey_3", Uuid, Uuid)]
    public void AHaystackOfNeedlesHoldsNothingElseAndNoNameTwice(string name, string key, string value)
    {
        var sample = Sample(name);
        var needles = Needles(sample);
        Assert.Matches($@"^The text below .*\n\n(The secret \w+ of {key} is {value}\. ?)+( \.)*$", sample.Context);
        Assert.InRange(needles.Length, 20, 1000);
        Assert.Equal(needles.Length, needles.Select(needle => needle.Key).Distinct().Count());
    }

    [Fact]
    public void TheGridGoesFromTheTextsBeginningToItsEnd()
    {
        for (var index = 0; index < 22; index++)
        {
            var sample = TaskCatalog.Create("niah").Generate(new SampleRequest(EvaluationTokenizers.Bytes, 8192, 1, index));
            Assert.Equal(index % 11 / 10.0, sample.Depth);
            var begin = sample.Context.IndexOf("\n\n", StringComparison.Ordinal) + 2;
            var place = sample.Context.IndexOf("The secret number", StringComparison.Ordinal) - begin;
            var last = sample.Context.Length - begin - Needles(sample)[0].Text.Length;
            Assert.InRange(place / (double)last, sample.Depth!.Value - 0.03, sample.Depth.Value + 0.03);
        }
    }

    [Fact]
    public void DrawnDepthsCoverTheText()
    {
        var depths = Enumerable.Range(0, 400).Select(index => TaskCatalog.Create("niah_single_1").Generate(new SampleRequest(EvaluationTokenizers.Bytes, 600, 1, index)).Depth!.Value).ToArray();
        Assert.Equal((0, 1), (depths.Min(), depths.Max()));
        Assert.Equal(40, depths.Distinct().Count());
        Assert.Equal(0.5, depths.Average(), 0.05);
    }

    private static Sample Sample(string name) => TaskCatalog.Create(name).Generate(new SampleRequest(EvaluationTokenizers.Bytes, 8192, 7, 0));

    private static (string Text, string Key, string Value)[] Needles(Sample sample) =>
        [.. Regex.Matches(sample.Context, @"The secret \w+ of (\S+) is (\S+)\.").Select(match => (match.Value, match.Groups[1].Value, match.Groups[2].Value))];
}
