using Kvasir.Evaluation;
using Kvasir.Test.Models;

namespace Kvasir.Test.Evaluation.Tasks;

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
}
