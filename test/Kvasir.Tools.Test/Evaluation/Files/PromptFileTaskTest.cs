using Kvasir.Evaluation;
using Kvasir.Evaluation.Scoring;

namespace Kvasir.Tools.Test.Evaluation.Files;

public sealed class PromptFileTaskTest
{
    [Fact]
    public void PromptsMayComeWithOrWithoutAContext()
    {
        using var folder = new TempFolder();
        var task = TaskCatalog.Create("jsonl", folder.Write("a.jsonl", """
            {"context": "Lily has a cat.", "question": "What has Lily?", "answers": ["a cat", "cat"], "scoring": "f1", "max_new_tokens": 7}

            {"input": "One and one is", "outputs": [2, "two"], "answer_prefix": " surely", "index": 5, "context": null}
            {"prompt": "Say \u00e4h", "answer": "\ud83c\udf89", "scoring": "all"}
            """));
        Assert.Equal(3, task.SampleCount);
        Same(new Sample("Lily has a cat.", "\n\nWhat has Lily?", "", ["a cat", "cat"], 7, ScoringRule.WordF1), Read(task, 0));
        Same(new Sample("", "One and one is", " surely", ["2", "two"], 128, ScoringRule.ContainsAny), Read(task, 1));
        Same(new Sample("", "Say \u00e4h", "", ["\U0001F389"], 128, ScoringRule.ContainsAll), Read(task, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => Read(task, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => Read(task, -1));
    }

    [Fact]
    public void LinesEndInAnyWayAndAMarkOfByteOrderIsNoContent()
    {
        using var folder = new TempFolder();
        var task = TaskCatalog.Create("jsonl", folder.Write("a.jsonl", "\uFEFF{\"prompt\": \"p\", \"answer\": \"a\"}\r\n \t\r\n{\"prompt\": \"q\", \"answer\": \"b\"}"));
        Assert.Equal(["p", "q"], Enumerable.Range(0, task.SampleCount!.Value).Select(i => Read(task, i).Question));
    }

    [Theory]
    [InlineData("{\"prompt\": \"p\"}", "has no field answers or answer or outputs")]
    [InlineData("{\"answers\": [\"a\"]}", "has no field prompt or input")]
    [InlineData("{\"context\": \"c\", \"prompt\": \"p\", \"answers\": [\"a\"]}", "has no field question or input")]
    [InlineData("{\"prompt\": \"\", \"answers\": [\"a\"]}", "has an empty prompt or input")]
    [InlineData("{\"prompt\": [1], \"answers\": [\"a\"]}", "prompt is an array, and text is expected")]
    [InlineData("{\"prompt\": \"p\", \"answers\": []}", "answers is empty")]
    [InlineData("{\"prompt\": \"p\", \"answers\": [\"a\", \"\"]}", "answers is empty, or holds an empty text")]
    [InlineData("{\"prompt\": \"p\", \"answers\": [{}]}", "answers holds an object")]
    [InlineData("{\"prompt\": \"p\", \"answers\": true}", "answers holds true")]
    [InlineData("{\"prompt\": \"p\", \"answer\": \"a\", \"scoring\": \"best\"}", "scoring 'best' is unknown; known: any, all")]
    [InlineData("{\"prompt\": \"p\", \"answer\": \"a\", \"max_new_tokens\": 0}", "max_new_tokens is 0, and a whole number of 1 to 1048576 is expected")]
    [InlineData("{\"prompt\": \"p\", \"answer\": \"a\", \"max_new_tokens\": 1.5}", "max_new_tokens is 1.5")]
    [InlineData("{\"prompt\": \"\\ud800\", \"answer\": \"a\"}", "prompt is not valid text")]
    [InlineData("[1]", "is no JSON object")]
    [InlineData("{\"prompt\": \"p\", ", "is not valid JSON, at byte")]
    public void WhatIsWrongIsSaidWithFileAndLineBeforeAnythingRuns(string line, string message)
    {
        using var folder = new TempFolder();
        var file = folder.Write("a.jsonl", $"{{\"prompt\": \"p\", \"answer\": \"a\"}}\n\n{line}\n");
        var error = Assert.Throws<KvasirException>(() => TaskCatalog.Create("jsonl", file));
        Assert.Equal(KvasirError.BadFile, error.Error);
        Assert.StartsWith($"{file}:3: {message}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LongBenchIsAskedAndScoredByDataset()
    {
        using var folder = new TempFolder();
        var task = TaskCatalog.Create("longbench", folder.Write("b.jsonl", """
            {"input": "Who?", "context": "It was Ann.", "answers": ["Ann"], "length": 3, "dataset": "hotpotqa_e", "language": "en", "all_classes": null, "_id": "1"}
            {"input": "", "context": "A report.", "answers": ["Short."], "dataset": "gov_report"}
            {"input": "int b", "context": "int a;\n", "answers": [" = 1;"], "dataset": "lcc"}
            """));
        var (asked, summed, code) = (Read(task, 0), Read(task, 1), Read(task, 2));
        Assert.Equal(("It was Ann.", 32, ScoringRule.WordF1), (asked.Context, asked.AnswerTokens, asked.Rule));
        Assert.EndsWith("Question: Who?\nAnswer:", asked.Prompt, StringComparison.Ordinal);
        Assert.Equal((512, ScoringRule.LongestSequence), (summed.AnswerTokens, summed.Rule));
        Assert.Equal("int a;\nint b", code.Prompt);
        var error = Assert.Throws<KvasirException>(() => TaskCatalog.Create("longbench", folder.Write("c.jsonl", """{"context": "x", "input": "y", "answers": ["z"], "dataset": "dureader"}""")));
        Assert.Equal(KvasirError.Unsupported, error.Error);
        Assert.Contains("c.jsonl:1: dataset 'dureader' is not supported; supported: narrativeqa", error.Message, StringComparison.Ordinal);
    }

    private static Sample Read(EvaluationTask task, int index) => task.Generate(new SampleRequest(EvaluationTokenizers.Bytes, 100, 1, index));

    private static void Same(Sample expected, Sample actual)
    {
        Assert.Equal(expected.Answers, actual.Answers);
        Assert.Equal(expected with { Answers = [] }, actual with { Answers = [] });
    }
}
