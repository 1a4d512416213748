using Kvasir.Evaluation;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Tools.Test.Evaluation.Running;

namespace Kvasir.Tools.Test.Evaluation.LabelFree;

public sealed class PerplexityTest : IDisposable
{
    private const int Scored = 17;
    private const string Window = "streaming:sinks=2,recent=6,min-context=0";
    private readonly TempFolder _folder = new();
    private readonly Model _model = Generation.LoadStories();
    private readonly string _path;
    private readonly int[] _text;

    public PerplexityTest()
    {
        var story = string.Concat(Enumerable.Range(0, 30).Select(static i => $"Tom saw {i} red balls in the park. Lily was {(i % 3 == 0 ? "sad" : "happy")}. "));
        (_path, _text) = (_folder.Write("story.txt", story), _model.Tokenizer.Encode(story, addBegin: false));
    }

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void TheLossOfDenseAttentionIsThatOfPromptsThatEndWithEachToken()
    {
        var result = Run(Task([120], 3), [120], "dense")[1];
        var start = TextWindow.Cut(_text.Length, 119 - Scored, Scored) is var windows ? windows[windows.Length / 3].StartIndex : 0;
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20 });
        var loss = 0.0;
        for (var i = 0; i < Scored; i++)
        {
            int[] prompt = [.. _model.Tokenizer.Encode(""), .. _text[start..(start + 119 - Scored + i)]];
            float[] logits = [];
            Generation.Run(engine, prompt, Generation.Greedy(1) with { Logits = (_, seen) => logits = seen.ToArray() });
            loss += Math.Log(logits.Sum(static logit => Math.Exp(logit))) - logits[_text[start + 119 - Scored + i]];
        }

        Assert.Equal(loss / Scored, result.Loss!.Value, 1e-4);
        Assert.Equal((Scored, 119, 120, 1.0), (result.DecodedTokens, result.PromptTokens, result.Context, result.KeysRead));
        Assert.InRange(result.Score, 0, 1);
    }

    [Fact]
    public void EveryLengthHasAsManyWindowsFromAllOverTheText()
    {
        var task = Task([60, 200], 5);
        var results = Run(task, [60, 200], "dense", Window);
        Assert.Equal(20, results.Length);
        Assert.All(results, static result => Assert.Equal((Protocol.QuestionSparse, "ppl", Scored), (result.Protocol, result.Task, result.DecodedTokens)));
        Assert.All(results.Where(static result => result.Policy == Window), static result => Assert.InRange(result.KeysRead, 0.01, 0.2));
        Assert.Equal(5, results.Where(static result => result is { Context: 200, Policy: "dense" }).Select(static result => result.Loss).Distinct().Count());
        Assert.Equal((_text.Length - 199 + Scored) / Scored, Task([60, 200], 1000).SampleCount);
        Assert.NotEqual(results.First(static result => result.Policy == "dense").Loss, results.First(static result => result.Policy == Window).Loss);
    }

    [Fact]
    public void APolicyThatKeepsEverythingHasTheSameLoss()
    {
        var results = Run(Task([100], 2), [100], "dense", "quest:share=1,recent=8,dense-layers=none,min-context=0");
        Assert.All(results.GroupBy(static result => result.Sample), static pair => Assert.Equal(pair.First().Loss!.Value, pair.Last().Loss!.Value, 1e-5));
    }

    [Fact]
    public void WhatHasNoRoomIsRefused()
    {
        Assert.Equal("a context of 18 tokens is too short: 17 scored ones take 19", Assert.Throws<KvasirException>(() => Task([18, 60], 1)).Message);
        Assert.Contains($"{_path}: the text has {_text.Length} tokens, and a window takes ", Assert.Throws<KvasirException>(() => Task([60, 100_000], 1)).Message, StringComparison.Ordinal);
        Assert.Contains("zero.txt:1: has a zero character at byte 1; ", Assert.Throws<KvasirException>(() => new PerplexityTask(_folder.Write("zero.txt", "a\0"), _model.Tokenizer, [60], 4, 1)).Message, StringComparison.Ordinal);
    }

    private PerplexityTask Task(int[] contexts, int windows) => new(_path, _model.Tokenizer, contexts, Scored, windows);

    private EvaluatedSample[] Run(PerplexityTask task, int[] contexts, params string[] policies)
    {
        using var run = new EvaluationRun(_model, SmallPlan.Of(policies) with { Tasks = [task], Contexts = contexts, Protocols = [Protocol.QuestionSparse], Samples = task.SampleCount!.Value });
        return [.. run.Run()];
    }
}
