using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;

namespace Kvasir.Tools.Test.Evaluation;

/// <summary>What papers report of policies against each other, on the bundled model at 4096 tokens.</summary>
[Trait("Needs", "Minutes")]
[Collection(nameof(NeedleResults))]
public sealed class PolicyOrderTest(NeedleResults results)
{
    internal static readonly string[] Counts = ["needle_common", "needle_frequent"];
    internal static readonly string[] Retrieval = ["needle_multikey"];
    internal static readonly AttentionPolicy[] Samplers = Opened("oracle:share=0.02", "topk:share=0.02", "guarded");
    internal static readonly AttentionPolicy[] Forgetters = Opened("streaming", "h2o");
    internal static readonly AttentionPolicy[] Readers = [.. Forgetters, .. Opened("magicpig:dense-layers=none", "magicpig:dense-layers=none,centre=none")];

    [Fact]
    public void SamplingBeatsTheBestKeysWhereWordsAreCounted()
    {
        var points = results.Points(Counts, Protocol.QuestionSparse, Samplers);
        Assert.True(Score(points, "oracle") > Score(points, "topk") + 0.05);
        Assert.True(Score(points, "guarded") > Score(points, "topk") + 0.05);
    }

    [Fact]
    public void RetrievalNeedsKeysOfThePastAndQuestionsUnderThePolicyAreHarder()
    {
        var sparse = results.Points(Retrieval, Protocol.QuestionSparse, Readers);
        var dense = results.Points(Retrieval, Protocol.QuestionDense, Forgetters);
        Assert.True(Score(sparse, "dense") > 0.95);
        Assert.True(Score(sparse, "streaming") < 0.5);
        Assert.True(Score(sparse, "streaming") < Score(dense, "streaming"));
        Assert.True(Score(sparse, "h2o") < Score(dense, "h2o"));
        var (centred, raw) = (Point(sparse, "magicpig:dense-layers=none,min-context=0"), sparse.Single(static point => point.Policy.Contains("centre=none", StringComparison.Ordinal)));
        Assert.True(centred.Score > raw.Score + 0.3, $"{centred.Score} with {centred.KeysRead:P1} read, {raw.Score} without centring with {raw.KeysRead:P1}");
    }

    private static double Score(IReadOnlyList<EvaluationPoint> points, string family) => points.First(point => point.Family == family).Score!.Value;

    private static EvaluationPoint Point(IReadOnlyList<EvaluationPoint> points, string policy) => points.Single(point => point.Policy == policy);

    // Of any context, however short.
    private static AttentionPolicy[] Opened(params string[] policies) =>
        [.. policies.Select(static policy => PolicyCatalog.Parse($"{policy}{(policy.Contains(':') ? ',' : ':')}min-context=0"))];
}
