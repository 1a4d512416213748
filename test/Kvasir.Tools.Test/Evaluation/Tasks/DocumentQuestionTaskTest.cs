using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Evaluation.Tasks;

public sealed class DocumentQuestionTaskTest
{
    [Fact]
    public void OwnDocumentsAreWholeAndOthersComeOnceAtMost()
    {
        using var folder = new TempFolder();
        var file = folder.Write("q.jsonl", string.Concat(Enumerable.Range(0, 60).Select(i =>
            $$"""{"question": "q{{i}}?", "answers": ["a{{i}}"], "documents": ["first of {{i}} says a{{i}}", "second of {{i}} says more", "shared by all"]}""" + "\n")));
        var task = TaskCatalog.Create("qa_2", file);
        Assert.Equal(60, task.SampleCount);
        for (var index = 0; index < 60; index += 13)
        {
            var sample = task.Generate(new SampleRequest(EvaluationTokenizers.Bytes, 1500, 1, index));
            var documents = sample.Context.Split("Document ")[1..].Select(document => document.Split(":\n")[1].Trim().TrimEnd('.', ' ')).ToArray();
            foreach (var own in new[] { $"first of {index} says a{index}", $"second of {index} says more", "shared by all" })
                Assert.Single(documents, document => document == own);
            Assert.Equal(documents.Length, documents.Distinct().Count());
            Assert.Contains($"q{index}?", sample.Question, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AFileWithTooLittleTextIsRefusedWithTheMostThatItGives()
    {
        using var folder = new TempFolder();
        var task = TaskCatalog.Create("qa_1", QuestionFile.Write(folder, count: 3));
        var error = Assert.Throws<KvasirException>(() => task.Generate(new SampleRequest(EvaluationTokenizers.Bytes, 32768, 1, 0)));
        Assert.Matches("task qa_1 has texts of at most [0-9]+ tokens with this tokenizer; 32768 were asked for", error.Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => task.Generate(new SampleRequest(EvaluationTokenizers.Bytes, 1000, 1, 3)));
    }

    [Fact]
    public void ALineWithoutDocumentsIsNamed()
    {
        using var folder = new TempFolder();
        var file = folder.Write("q.jsonl", "{\"question\": \"q\", \"answers\": [\"a\"], \"documents\": [\"d\"]}\n{\"question\": \"q\", \"answers\": [\"a\"]}");
        Assert.Equal($"{file}:2: has no field documents", Assert.Throws<KvasirException>(() => TaskCatalog.Create("qa_1", file)).Message);
    }

    [Fact]
    public void SquadIsReadAsPublished()
    {
        using var folder = new TempFolder();
        var file = folder.Write("dev.json", """
            {"version": "v2.0", "data": [
              {"title": "Hill", "paragraphs": [
                {"context": "The hill is old.", "qas": [
                  {"id": "1", "question": "How is the hill?", "answers": [{"text": "old", "answer_start": 12}, {"text": "old", "answer_start": 12}], "is_impossible": false},
                  {"id": "2", "question": "Who made it?", "answers": [], "is_impossible": true}]},
                {"context": "The hill has two trees and a long way up.", "qas": []}]},
              {"title": "Lake", "paragraphs": [{"context": "The lake is deep.", "qas": [{"id": "3", "question": "How is the lake?", "answers": [{"text": "deep", "answer_start": 12}]}]}]}]}
            """);
        var task = TaskCatalog.Create("qa_1", file);
        Assert.Equal(2, task.SampleCount);
        var sample = task.Generate(new SampleRequest(EvaluationTokenizers.Bytes, 302, 1, 0));
        Assert.Equal(["old"], sample.Answers);
        Assert.Contains("The hill is old.", sample.Context, StringComparison.Ordinal);
        // A neighbour from the same article comes before any other document.
        Assert.Contains("The hill has two trees", sample.Context, StringComparison.Ordinal);
        Assert.DoesNotContain("deep", sample.Context, StringComparison.Ordinal);
    }

    [Fact]
    public void HotpotIsReadAsPublished()
    {
        using var folder = new TempFolder();
        var file = folder.Write("hotpot.json", """
            [{"_id": "1", "question": "Which is older?", "answer": "the hill", "supporting_facts": [["Hill", 0]], "context": [["Hill", ["The hill is old.", " It is steep."]], ["Lake", ["The lake is young."]]]},
             {"_id": "2", "question": "Is it far?", "answer": "yes", "context": [["Road", ["The road is long and goes on and on and on and on and on and on and on."]]]}]
            """);
        var sample = TaskCatalog.Create("qa_2", file).Generate(new SampleRequest(EvaluationTokenizers.Bytes, 360, 1, 0));
        Assert.Equal(["the hill"], sample.Answers);
        Assert.Contains(":\nHill\nThe hill is old. It is steep.", sample.Context, StringComparison.Ordinal);
        Assert.Contains(":\nLake\nThe lake is young.", sample.Context, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "the file is not as SQuAD or HotpotQA have it")]
    [InlineData("{\"data\": [{\"paragraphs\": []}, {}]}", "item 1 is not as SQuAD or HotpotQA have it")]
    [InlineData("{\"data\": []}", "has no question that can be answered")]
    [InlineData("[{\"question\": \"q\", \"answer\": \"a\", \"context\": [1]}]", "item 0 is not as SQuAD or HotpotQA have it")]
    [InlineData("[\n{\"question\": ]", "is not valid JSON, in line 2 at byte 13")]
    [InlineData("", "is not valid JSON, in line 1 at byte 0")]
    public void DamagedPublishedFilesAreRefused(string content, string message)
    {
        using var folder = new TempFolder();
        var file = folder.Write("dev.json", content);
        Assert.Equal($"{file}: {message}", Assert.Throws<KvasirException>(() => TaskCatalog.Create("qa_1", file)).Message);
    }

    [Fact]
    public void AMissingFileIsNamed()
    {
        using var folder = new TempFolder();
        var error = Assert.Throws<KvasirException>(() => TaskCatalog.Create("qa_1", folder.File("none.json")));
        Assert.Equal(KvasirError.FileNotFound, error.Error);
        Assert.Contains("none.json", error.Message, StringComparison.Ordinal);
    }
}
