using Kvasir.Attention;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Test.Evaluation;

/// <summary>What papers report of policies against each other, on the bundled model at 4096 tokens.</summary>
[Trait("Needs", "Minutes")]
public sealed class PolicyOrderTest
{
    private const string Open = "min-context=0";

    [Fact]
    public void SamplingBeatsTheBestKeysWhereWordsAreCounted()
    {
        var points = Run(["needle_common", "needle_frequent"], 24, Protocol.QuestionSparse, $"oracle:share=0.02,{Open}", $"topk:share=0.02,{Open}", $"guarded:{Open}");
        Assert.True(Score(points, "oracle") > Score(points, "topk") + 0.05);
        Assert.True(Score(points, "guarded") > Score(points, "topk") + 0.05);
    }

    [Fact]
    public void RetrievalNeedsKeysOfThePastAndQuestionsUnderThePolicyAreHarder()
    {
        string[] policies = [$"streaming:{Open}", $"h2o:{Open}", $"magicpig:dense-layers=none,{Open}", $"magicpig:dense-layers=none,centre=none,{Open}"];
        var sparse = Run(["needle_multikey"], 24, Protocol.QuestionSparse, policies);
        var dense = Run(["needle_multikey"], 24, Protocol.QuestionDense, policies[..2]);
        Assert.True(Score(sparse, "dense") > 0.95);
        Assert.True(Score(sparse, "streaming") < 0.5);
        Assert.True(Score(sparse, "streaming") < Score(dense, "streaming"));
        Assert.True(Score(sparse, "h2o") < Score(dense, "h2o"));
        var (centred, raw) = (Point(sparse, "magicpig:dense-layers=none,min-context=0"), sparse.Single(static point => point.Policy.Contains("centre=none", StringComparison.Ordinal)));
        Assert.True(centred.Score > raw.Score + 0.3, $"{centred.Score} with {centred.KeysRead:P1} read, {raw.Score} without centring with {raw.KeysRead:P1}");
    }

    private static double Score(IReadOnlyList<EvaluationPoint> points, string family) => points.First(point => point.Family == family).Score!.Value;

    private static EvaluationPoint Point(IReadOnlyList<EvaluationPoint> points, string policy) => points.Single(point => point.Policy == policy);

    private static IReadOnlyList<EvaluationPoint> Run(string[] tasks, int samples, Protocol protocol, params string[] policies)
    {
        using var model = Model.Load("needle");
        using var run = new EvaluationRun(model, new EvaluationPlan
        {
            Tasks = [.. tasks.Select(static name => new AnsweredTask(name, TaskCatalog.Create(name)))],
            Contexts = [4096],
            Policies = [.. policies.Select(PolicyCatalog.Parse)],
            Protocols = [protocol],
            Samples = samples,
        });
        return EvaluationPoints.OverTasks([.. run.Run()]);
    }
}
