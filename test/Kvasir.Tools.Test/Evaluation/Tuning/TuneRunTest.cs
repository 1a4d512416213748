using Kvasir.Attention;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Evaluation.Tuning;
using Kvasir.Tools.Test.Evaluation.Running;

namespace Kvasir.Tools.Test.Evaluation.Tuning;

public sealed class TuneRunTest : IDisposable
{
    private const string Quest = "quest:page=4,recent=4,sinks=2,dense-layers=none,min-context=0";
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Fact]
    public void TheCheapestSettingThatKeepsTheTargetIsFound()
    {
        using var run = Tune(new TuneOptions(Target: 0.8), Quest, "topk:recent=4,sinks=2,min-context=0");
        Assert.Null(run.Best);
        run.Run();
        Assert.Equal((1.0, 1.0), (run.Dense!.Kept, run.Dense.KeysRead));
        Assert.Equal(run.Points.Count, run.Points.Select(static point => point.Policy).Distinct().Count());
        Assert.All(run.Points, static point => Assert.True(point is { Kept: >= 0 and <= 1, KeysRead: > 0 and < 1, MsPerToken: > 0 }));
        var kept = run.Points.Where(static point => point.Kept >= 0.8).ToArray();
        Assert.NotEmpty(kept);
        Assert.Equal(kept.Min(static point => point.KeysRead), run.Best!.KeysRead);
        foreach (var group in run.Points.GroupBy(static point => PolicySpec.Family(point.Policy)))
            Assert.Equal(group.OrderBy(static point => point.KeysRead), group);
        Assert.Equal((4, 4, run.Points.Count), (run.Progress!.Samples, run.Progress.SampleCount, run.Progress.Settings));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ASettingIsMeasuredAsAnEvaluationMeasuresIt()
    {
        using var run = Tune(new TuneOptions(Target: 1, Steps: 0), Quest);
        run.Run();
        foreach (var point in run.Points)
        {
            using var evaluation = new EvaluationRun(_model, Plan(point.Policy));
            var samples = evaluation.Run().Where(sample => sample.Policy == point.Policy).ToArray();
            Assert.Equal(samples.Average(static sample => sample.Score), point.Kept, 1e-9);
            Assert.Equal(samples.Average(static sample => sample.KeysRead), point.KeysRead, 1e-9);
        }
    }

    [Fact]
    public void WhatReadsEverythingIsNoFind()
    {
        // The prompts are shorter than what the policy reads whole.
        using var run = Tune(new TuneOptions(), "psa");
        run.Run();
        Assert.Null(run.Best);
        Assert.All(run.Points, static point => Assert.Equal((1.0, 1.0), (point.Kept, point.KeysRead)));
        Assert.Single(run.Points);
    }

    [Fact]
    public void ScoresAreSharesOfDenseAttentions()
    {
        EvaluatedSample[] dense = [Sample(0, "dense", 0.5), Sample(1, "dense", 1), Sample(2, "dense", 0.5), Sample(3, "dense", 0)];
        EvaluatedSample[] policy = [Sample(0, "psa", 0.5), Sample(1, "psa", 0.5), Sample(2, "psa", 0.25), Sample(3, "psa", 0.25)];
        var point = TunedPoint.Of(policy, dense);
        Assert.Equal((0.75, 0.5, 2.0), (point.Kept, point.KeysRead, point.MsPerToken));
        // Half of it is 3.182 standard errors, twice as wide for a score of 0.5; no share is below 0.
        Assert.Equal(0, point.Low);
        Assert.Equal(0.75 + (2 * 3.18245 * Math.Sqrt(0.3125 / 3 / 4)), point.High!.Value, 1e-4);
        var perfect = TunedPoint.Of([Sample(0, "psa", 1), Sample(1, "psa", 0.5)], [Sample(0, "dense", 1), Sample(1, "dense", 1)]);
        Assert.Equal((0.75, 0.0, 1.0), (perfect.Kept, perfect.Low, perfect.High));
    }

    [Fact]
    public void OptionsAreChecked()
    {
        Assert.Throws<KvasirException>(() => Tune(new TuneOptions(Target: 0), Quest));
        Assert.Throws<KvasirException>(() => Tune(new TuneOptions(Target: 1.01), Quest));
        Assert.Throws<KvasirException>(() => Tune(new TuneOptions(Steps: 21), Quest));
    }

    [Fact]
    public void WhereDenseAttentionScoresNothingNothingCanBeKept()
    {
        using var run = new TuneRun(_model, SmallPlan.Of(Quest) with { Protocols = [Protocol.QuestionDense] }, new TuneOptions());
        Assert.StartsWith("dense attention scores 0 on all of these 3 samples", Assert.Throws<KvasirException>(() => run.Run()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ACancelledRunKeepsWhatItMeasured()
    {
        using var run = Tune(new TuneOptions(Target: 1), Quest);
        using var cancel = new CancellationTokenSource();
        using var watcher = new Timer(_ =>
        {
            if (run.Progress is { Settings: > 1 })
                cancel.Cancel();
        });
        watcher.Change(1, 1);
        try
        {
            run.Run(cancel.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.InRange(run.Points.Count, 1, 5);
        }

        Assert.NotNull(run.Dense);
    }

    private TuneRun Tune(TuneOptions options, params string[] policies) => new(_model, Plan(policies), options);

    private static EvaluationPlan Plan(params string[] policies)
    {
        UserPrompt[] prompts = [.. new[] { "Tom has a red ball. ", "The dog was sad. ", "Lily went to the park. ", "Once upon a time there was a cat. " }.Select(static text => new UserPrompt(text, string.Concat(Enumerable.Repeat(text, 12))))];
        var task = new AgreementTask(prompts, [], new AgreementOptions(Tokens: 16) { MeasuresDivergence = false, DecodesAnswers = false });
        return SmallPlan.Of(policies) with { Tasks = [task], Protocols = [Protocol.QuestionDense], Samples = 4 };
    }

    private static EvaluatedSample Sample(int index, string policy, double score) => new()
    {
        Task = "passkey",
        Context = 100,
        PromptTokens = 90,
        Protocol = Protocol.QuestionDense,
        Policy = policy,
        Sample = index,
        Score = score,
        DecodedTokens = 5,
        KeysRead = policy == "dense" ? 1 : 0.5,
        BytesPerToken = 1,
        PromptMs = 1,
        DecodeMs = 10,
    };
}
