using System.Text;
using Kvasir.Attention.Policies;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Files;
using Kvasir.Synthetic;

namespace Kvasir.Tools.Test.Evaluation.Running;

public sealed class StateFileTest : IDisposable
{
    private static readonly EvaluationPlan Plan = SmallPlan.Of(SmallPlan.Window);
    private readonly TempFolder _folder = new();
    private readonly Model _model = Generation.LoadStories();
    private readonly string _path;

    public StateFileTest() => _path = _folder.File("state.jsonl");

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(12)]
    public void AnInterruptedRunGoesOnWhereItStopped(int count)
    {
        var whole = Run(Plan, int.MaxValue);
        File.Delete(_path);
        var first = Run(Plan, count);
        Assert.Equal(Math.Min(count, 12), first.Length);
        var second = Run(Plan, int.MaxValue);
        Assert.Equal(12 - first.Length, second.Length);
        using var file = Open(Plan);
        Assert.Equal(Plan.Keys().ToHashSet(), file.Done);
        Assert.All(whole, expected =>
        {
            var found = Assert.Single(file.Results, result => SampleKey.Of(result) == SampleKey.Of(expected));
            Assert.Equal((expected.Answer, expected.Score, expected.DecodedTokens, expected.KeysRead), (found.Answer, found.Score, found.DecodedTokens, found.KeysRead));
            Assert.Equal(expected.LayerKeysRead, found.LayerKeysRead);
            Assert.Equal(expected.Expected, found.Expected);
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(30)]
    [InlineData(200)]
    public void AHalfWrittenLastLineIsDoneAgain(int bytesLost)
    {
        Run(Plan, 4);
        var written = File.ReadAllBytes(_path);
        File.WriteAllBytes(_path, written[..^bytesLost]);
        using (var file = Open(Plan))
            Assert.Equal(3, file.Results.Count);
        Assert.Equal(9, Run(Plan, int.MaxValue).Length);
        using var again = Open(Plan);
        Assert.Equal(12, again.Results.Count);
    }

    [Fact]
    public void AnyCutOfTheFileCanBeGoneOnWith()
    {
        Run(Plan, 2);
        var written = File.ReadAllBytes(_path);
        for (var length = 0; length <= written.Length; length += 1 + (length / 40))
        {
            File.WriteAllBytes(_path, written[..length]);
            using (var file = Open(Plan))
                Assert.Equal(Math.Max(0, written.AsSpan(0, length).Count((byte)'\n') - 1), file.Results.Count);
            Assert.EndsWith("\n", File.ReadAllText(_path), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ADamagedLineIsNamedWithFileAndLine()
    {
        Run(Plan, 4);
        var lines = File.ReadAllLines(_path);
        Write([lines[0], lines[1], lines[2][..40], lines[3]]);
        AssertRefused($"{_path}:3: is damaged; --restart begins it anew");
        Write([lines[0], lines[1], lines[2].Replace("\"passkey\"", "null", StringComparison.Ordinal), lines[3]]);
        AssertRefused($"{_path}:3: is damaged");
        Write([lines[0], lines[1], lines[1], lines[2]]);
        AssertRefused($"{_path}:3: repeats a sample (passkey, 200 tokens, dense, sample 0)");
        Write([lines[0], lines[1].Replace("\"context\":200", "\"context\":300", StringComparison.Ordinal), lines[2]]);
        AssertRefused($"{_path}:2: is no sample of this plan (passkey, 300 tokens");
        using var restarted = StateFile.Open(_path, StateHeader.Of(Plan, _model), Plan.Keys(), restarts: true);
        Assert.Empty(restarted.Results);
    }

    [Fact]
    public void AFileOfAnotherPlanIsLeftAsItIs()
    {
        Run(Plan, 2);
        var written = File.ReadAllText(_path);
        AssertRefused($"{_path}:1: is of another plan: its seed is 1, not 2; --restart begins it anew, another --state keeps it", Plan with { Seed = 2 });
        AssertRefused("its samples are 3, not 4", Plan with { Samples = 4 });
        AssertRefused("its policies are dense, streaming:", Plan with { Policies = [PolicyCatalog.Parse("psa")] });
        AssertRefused("its contexts are 200, not 200, 201", Plan with { Contexts = [200, 201] });
        using (var other = Model.Synthetic("tiny", SyntheticWeights.Q8_0, options: new ModelOptions { Repack = false }))
            Assert.Contains("its model is stories260K", Assert.Throws<KvasirException>(() => StateFile.Open(_path, StateHeader.Of(Plan, other), [])).Message, StringComparison.Ordinal);
        Assert.Equal(written, File.ReadAllText(_path));
        foreach (var text in new[] { "my notes", "my notes\n", "{\"a\": 1}\n", "[]\nmore\n" })
        {
            File.WriteAllText(_path, text);
            AssertRefused($"{_path}:1: does not begin as the state of an evaluation does");
            Assert.Equal(text, File.ReadAllText(_path));
        }
    }

    [Fact]
    public void TwoRunsDoNotShareAFile()
    {
        using var file = Open(Plan);
        AssertRefused($"{_path} cannot be written");
    }

    [Fact]
    public void TheFileOfATaskIsPartOfThePlan()
    {
        var path = _folder.Write("one.jsonl", """{"prompt": "Once upon a time", "answer": "there"}""");
        var before = StateHeader.Of(Plan with { Tasks = PlannedTask.Of("jsonl", path) }, _model);
        File.WriteAllText(path, """{"prompt": "Once upon a time", "answer": "then"}""", Encoding.UTF8);
        Assert.StartsWith("its tasks are jsonl (", before.Difference(StateHeader.Of(Plan with { Tasks = PlannedTask.Of("jsonl", path) }, _model)), StringComparison.Ordinal);
        Assert.Null(before.Difference(before with { Tasks = [.. before.Tasks] }));
    }

    // Runs so many further samples, as if it were interrupted then.
    private EvaluatedSample[] Run(EvaluationPlan plan, int count)
    {
        using var file = Open(plan);
        using var run = new EvaluationRun(_model, plan);
        var results = new List<EvaluatedSample>();
        foreach (var result in run.Run(file.Done).Take(count))
        {
            file.Append(result);
            results.Add(result);
        }

        return [.. results];
    }

    private StateFile Open(EvaluationPlan plan) => StateFile.Open(_path, StateHeader.Of(plan, _model), plan.Keys());

    private void Write(string[] lines) => File.WriteAllText(_path, string.Concat(lines.Select(static line => line + "\n")));

    private void AssertRefused(string part, EvaluationPlan? plan = null) =>
        Assert.Contains(part, Assert.Throws<KvasirException>(() => Open(plan ?? Plan).Dispose()).Message, StringComparison.Ordinal);
}
