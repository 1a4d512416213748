using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Tools.Test.Evaluation.Running;

public sealed class EvaluationRunTest : IDisposable
{
    private readonly Model _model = Generation.LoadStories();

    public void Dispose() => _model.Dispose();

    [Fact]
    public void EverySampleIsRunUnderEveryPolicyWithDenseFirst()
    {
        var plan = SmallPlan.Of(SmallPlan.Window) with { Tasks = [.. PlannedTask.Of("passkey"), .. PlannedTask.Of("vt")], Contexts = [300, 360] };
        using var run = new EvaluationRun(_model, plan);
        var results = run.Run().ToArray();
        Assert.Equal(48, run.ResultCount);
        Assert.Equal(plan.Keys().ToHashSet(), results.Select(SampleKey.Of).ToHashSet());
        Assert.Equal(48, results.Length);
        Assert.Equal(("dense", SmallPlan.Window, 48, TimeSpan.Zero), (results[0].Policy, results[2].Policy, run.Progress!.Done, run.Progress.Left));
        Assert.All(results, result =>
        {
            Assert.InRange(result.PromptTokens, 100, result.Context);
            Assert.InRange(result.KeysRead, 0.05, result.Policy == "dense" ? 1 : 0.5);
            Assert.Equal(5, result.LayerKeysRead.Count);
            Assert.True(result is { PromptMs: > 0, DecodeMs: > 0, DecodedTokens: > 0, MassKept: null, OutputError: null });
            Assert.NotEmpty(result.Expected);
        });
    }

    [Fact]
    public void ProtocolBFeedsTheQuestionUnderThePolicy()
    {
        var results = Run(SmallPlan.Of(SmallPlan.Window));
        var prompt = PromptTokens.Of(_model.Tokenizer, ((AnsweredTask)SmallPlan.Of().Tasks[0]).Task.Generate(new SampleRequest(_model.Tokenizer, 200, 1, 0)));
        foreach (var policy in new[] { "dense", SmallPlan.Window })
        {
            var (a, b) = (Find(results, policy, Protocol.QuestionDense), Find(results, policy, Protocol.QuestionSparse));
            Assert.Equal(a.PromptTokens, b.PromptTokens);
            Assert.InRange(b.DecodedTokens, prompt.Tokens.Count - prompt.ContextTokens, int.MaxValue);
            Assert.True(b.DecodedTokens > a.DecodedTokens);
            AssertReads(a, policy == "dense" ? int.MaxValue : 32, prompt.Tokens.Count);
            AssertReads(b, policy == "dense" ? int.MaxValue : 32, prompt.ContextTokens);
        }
    }

    [Fact]
    public void APolicyThatKeepsEverythingLosesNothing()
    {
        var rows = EvaluationPoints.ByTask(Run(SmallPlan.Of("streaming:recent=1048576,min-context=0")));
        Assert.Equal(4, rows.Count);
        Assert.All(rows, static row => Assert.True(row is { KeysRead: 1, SampleCount: 3 } && row.Difference is null or { Mean: 0 }));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void FiguresDoNotDependOnWhatElseIsCompared()
    {
        string[] policies = [SmallPlan.Window, "psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0", "h2o:heavy=0.1,newest=0.1,min-context=0", "magicpig:min-context=0"];
        var together = Run(SmallPlan.Of(policies) with { AuditShare = 1 });
        foreach (var policy in policies)
        {
            foreach (var protocol in Enum.GetValues<Protocol>())
            {
                var alone = Run(SmallPlan.Of(policy) with { AuditShare = 1, Protocols = [protocol] });
                Assert.Equal(6, alone.Length);
                Assert.All(alone, expected => AssertSame(expected, Find(together, expected.Policy, protocol, expected.Sample)));
            }
        }
    }

    [Fact]
    public void SamplesAreMadeOnce()
    {
        using var folder = new TempFolder();
        var lines = Enumerable.Range(0, 3).Select(static i => $$"""{"context": "Tom has {{i}} red balls. Lily has a cat.", "question": "What does Tom have?", "answers": ["ball"], "max_new_tokens": 9}""");
        var (made, file) = (new CountingTask(PlannedTask.Of("passkey")[0].Task), new CountingTask(PlannedTask.Of("jsonl", folder.Write("three.jsonl", string.Join('\n', lines)))[0].Task));
        List<(string, int)> told = [];
        var plan = SmallPlan.Of(SmallPlan.Window, "quest:min-context=0") with { Tasks = [new AnsweredTask("passkey", made), new AnsweredTask("jsonl", file)], Contexts = [200, 260] };
        using var run = new EvaluationRun(_model, plan, (task, count) => told.Add((task.Name, count)));
        Assert.Equal(72, run.Run().Count());
        Assert.Equal((6, 6), (made.Count, file.Count));
        Assert.Equal([("passkey", 1), ("passkey", 1), ("jsonl", 1), ("jsonl", 2), ("jsonl", 3), ("jsonl", 1), ("jsonl", 2), ("jsonl", 3)], told);
        using var cancelled = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => new EvaluationRun(_model, plan, (_, _) => cancelled.Cancel(), cancelled.Token));
    }

    [Fact]
    public void QuestionsAboutOneTextComputeItOnce()
    {
        using var folder = new TempFolder();
        var text = string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 9));
        var lines = new[] { "What is red?", "Who is Tom?", "Where did they go?" }.Select(question => $$"""{"context": "{{text}}", "question": "{{question}}", "answers": ["ball"], "max_new_tokens": 9}""");
        var plan = SmallPlan.Of(SmallPlan.Window) with { Tasks = PlannedTask.Of("jsonl", folder.Write("three.jsonl", string.Join('\n', lines))), BatchSequences = 3 };
        var (expected, bytes) = (Run(plan with { BatchSequences = 1 }), (One: Kept(plan with { Samples = 1 }), Three: Kept(plan)));
        Assert.NotEqual(0, bytes.One);
        Assert.Equal(bytes.One, bytes.Three);
        Assert.All(Run(plan), result => AssertSame(Find(expected, result.Policy, result.Protocol, result.Sample), result));
    }

    [Fact]
    public void ProgressTellsOfPromptsFirst()
    {
        using var run = new EvaluationRun(_model, SmallPlan.Of(SmallPlan.Window));
        Assert.Null(run.Progress);
        var seen = run.Run().Select(_ => run.Progress!).ToArray();
        Assert.Equal(Enumerable.Range(1, 12), seen.Select(static progress => progress.Done));
        Assert.All(seen, static progress => Assert.True(progress is { Total: 12, PromptShare: 1, Policy: not null }));
        // Two samples under two policies and protocols are the first batch.
        Assert.All(seen[..8], static progress => Assert.Null(progress.Left));
        Assert.All(seen[8..], static progress => Assert.NotNull(progress.Left));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void AnswersDoNotDependOnTheBatch(int batch)
    {
        var plan = SmallPlan.Of(SmallPlan.Window);
        var (one, other) = (Run(plan), Run(plan with { BatchSequences = batch }));
        Assert.All(one, result => Assert.Equal(result.Answer, Find(other, result.Policy, result.Protocol, result.Sample).Answer));
    }

    [Fact]
    public void BatchesAreAsLargeAsMemoryAllows()
    {
        // Room for one sequence of 224 tokens, and not for two.
        var plan = SmallPlan.Of(SmallPlan.Window) with { KvMemoryBytes = 7L * 32 * 20 * 2 * RowCodec.F32.RowBytes(8) };
        Assert.Equal(12, Run(plan).Length);
        var refusal = Assert.Throws<KvasirException>(() => new EvaluationRun(_model, plan with { KvMemoryBytes = plan.KvMemoryBytes / 2 }));
        Assert.Equal(KvasirError.KvMemoryExceeded, refusal.Error);
        Assert.Contains("200 tokens", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AuditsSayWhatWasKept()
    {
        var results = Run(SmallPlan.Of(SmallPlan.Window) with { AuditShare = 1 });
        Assert.All(results, static result => Assert.Equal(result.Policy == "dense", result.MassKept is null));
        Assert.All(results.Where(static result => result.Policy != "dense"), static result => Assert.True(result is { MassKept: > 0 and < 1, OutputError: > 0 }));
    }

    [Fact]
    public void WhatDoesNotFitIsSaidBeforeAnythingIsComputed()
    {
        AssertRefused(KvasirError.ContextExceeded, "513 tokens is beyond the 512", static plan => plan with { Contexts = [100, 513] });
        AssertRefused(KvasirError.BadOption, "samples 0", static plan => plan with { Samples = 0 });
        AssertRefused(KvasirError.BadOption, "no task", static plan => plan with { Tasks = [] });
        AssertRefused(KvasirError.BadOption, "names layer 7", static plan => plan with { Policies = SmallPlan.Of("streaming:dense-layers=7").Policies });
        using var folder = new TempFolder();
        var path = folder.Write("long.jsonl", $$"""{"prompt": "{{string.Concat(Enumerable.Repeat("one two three ", 300))}}", "answer": "four"}""");
        AssertRefused(KvasirError.ContextExceeded, $"sample 0 of {path} takes ", plan => plan with { Tasks = PlannedTask.Of("jsonl", path) });
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(0)]
    [InlineData(500)]
    [InlineData(250)]
    public void PromptsAreKeptForOtherPoliciesAsFarAsThereIsMemory(int memoryTokens)
    {
        // Of one sequence's sums and of each kept prompt's room: 1024 numbers a head.
        const long IndexBytes = 2 * 5 * 4 * 1024 * sizeof(float);
        var plan = SmallPlan.Of(SmallPlan.Window, "h2o:heavy=0.1,newest=0.1,min-context=0") with { Protocols = [Protocol.QuestionDense], BatchSequences = 1 };
        var expected = Run(plan);
        using var run = new EvaluationRun(_model, plan with { KvMemoryBytes = memoryTokens == 0 ? 0 : memoryTokens * 5L * 4 * 2 * RowCodec.F32.RowBytes(8) + IndexBytes });
        foreach (var policy in plan.Compared.Concat(plan.Compared))
        {
            var results = run.Run(policy).ToArray();
            Assert.Equal(3, results.Length);
            Assert.All(results, result => AssertSame(Find(expected, result.Policy, result.Protocol, result.Sample), result));
            // Rows of 128 to 192 tokens of each of the three prompts; where memory is short, of 64 or 96, and of as many as leave room for one.
            var keptTokens = run.KvBytesInUse / (5L * 4 * 2 * RowCodec.F32.RowBytes(8));
            Assert.InRange(keptTokens, memoryTokens switch { 0 => 3 * 128, 500 => 64, _ => 0 }, memoryTokens switch { 0 => 3 * 192, 500 => 128, _ => 0 });
        }
    }

    [Fact]
    public void FilesAreRunAsFarAsTheyGo()
    {
        using var folder = new TempFolder();
        var path = folder.Write("two.jsonl", """
            {"context": "Tom has a red ball. Lily has a cat.", "question": "What does Tom have?", "answers": ["ball", "a red ball"], "max_new_tokens": 9}
            {"prompt": "Once upon a time", "answer": "there", "max_new_tokens": 7}
            """);
        var results = Run(SmallPlan.Of(SmallPlan.Window) with { Tasks = PlannedTask.Of("jsonl", path) });
        Assert.Equal(8, results.Length);
        Assert.All(results.Where(static result => result.Sample == 1), static result => Assert.Equal(1, result.Score));
    }

    [Fact]
    public void ACancelledRunCanGoOn()
    {
        using var cancel = new CancellationTokenSource();
        using var run = new EvaluationRun(_model, SmallPlan.Of(SmallPlan.Window));
        var first = new List<EvaluatedSample>();
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (var result in run.Run(cancellation: cancel.Token))
            {
                first.Add(result);
                if (first.Count == 4)
                    cancel.Cancel();
            }
        });
        Assert.Equal(4, first.Count);
        var rest = run.Run(first.Select(SampleKey.Of).ToHashSet()).ToArray();
        Assert.Equal(SmallPlan.Of(SmallPlan.Window).Keys().ToHashSet(), first.Concat(rest).Select(SampleKey.Of).ToHashSet());
        Assert.Equal((12, 12), (first.Count + rest.Length, run.Progress!.Done));
    }

    private EvaluatedSample[] Run(EvaluationPlan plan)
    {
        using var run = new EvaluationRun(_model, plan);
        return [.. run.Run()];
    }

    // What of prompts lies in memory between policies.
    private long Kept(EvaluationPlan plan)
    {
        using var run = new EvaluationRun(_model, plan);
        return run.Run().Max(_ => run.KvBytesInUse);
    }

    private void AssertRefused(KvasirError error, string part, Func<EvaluationPlan, EvaluationPlan> change)
    {
        var refusal = Assert.Throws<KvasirException>(() => new EvaluationRun(_model, change(SmallPlan.Of("dense"))));
        Assert.Equal(error, refusal.Error);
        Assert.Contains(part, refusal.Message, StringComparison.Ordinal);
    }

    // Every token under the policy reads so many rows, or all in sight.
    private void AssertReads(EvaluatedSample result, int rows, int denseTokens)
    {
        var inSight = Enumerable.Range(denseTokens + 1, result.DecodedTokens).ToArray();
        var read = inSight.Sum(seen => (double)Math.Min(rows, seen));
        Assert.Equal(read / inSight.Sum(), result.KeysRead, 1e-9);
        Assert.All(result.LayerKeysRead, layer => Assert.Equal(result.KeysRead, layer, 1e-9));
        Assert.Equal(read / inSight.Length * _model.Config.LayerCount * _model.Config.KvHeadCount * 2 * RowCodec.F32.RowBytes(8), result.BytesPerToken, 1e-6);
    }

    private static void AssertSame(EvaluatedSample expected, EvaluatedSample actual)
    {
        Assert.Equal(expected.LayerKeysRead, actual.LayerKeysRead);
        Assert.Equal(expected.Expected, actual.Expected);
        var (layers, answers) = (actual.LayerKeysRead, actual.Expected);
        Assert.Equal(expected with { LayerKeysRead = layers, Expected = answers, PromptMs = 0, DecodeMs = 0 }, actual with { PromptMs = 0, DecodeMs = 0 });
    }

    private static EvaluatedSample Find(EvaluatedSample[] results, string policy, Protocol protocol, int sample = 0) =>
        Assert.Single(results, result => result.Policy == policy && result.Protocol == protocol && result.Sample == sample);

    private sealed class CountingTask(EvaluationTask task) : EvaluationTask
    {
        public int Count { get; private set; }

        public override int? SampleCount => task.SampleCount;

        public override Sample Generate(SampleRequest request)
        {
            Count++;
            return task.Generate(request);
        }
    }
}
