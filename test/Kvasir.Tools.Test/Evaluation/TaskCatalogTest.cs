using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Evaluation;

public sealed class TaskCatalogTest
{
    [Fact]
    public void RulerHasItsThirteenTasks() => Assert.Equal(
        [
            "niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3", "niah_multivalue",
            "niah_multiquery", "vt", "cwe", "fwe", "qa_1", "qa_2",
        ],
        TaskCatalog.Find("ruler").Select(entry => entry.Name));

    [Fact]
    public void NamesDifferAndAreNoFamilies()
    {
        var names = TaskCatalog.Entries.Select(entry => entry.Name).ToArray();
        Assert.Equal(names.Length, names.Distinct().Count());
        Assert.Empty(names.Intersect(TaskCatalog.Entries.Select(entry => entry.Family)));
        Assert.All(names, name => Assert.Equal(name, Assert.Single(TaskCatalog.Find(name)).Name));
    }

    [Fact]
    public void WhatIsUnknownIsRefusedWithWhatIsKnown()
    {
        var error = Assert.Throws<KvasirException>(() => TaskCatalog.Create("niah_single_4"));
        Assert.Equal(KvasirError.BadOption, error.Error);
        Assert.Contains("niah_single_3", error.Message, StringComparison.Ordinal);
        Assert.Contains("'ruler' is a family", Assert.Throws<KvasirException>(() => TaskCatalog.Create("ruler")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesAreGivenWhereTheyAreNeededAndNowhereElse()
    {
        using var folder = new TempFolder();
        foreach (var entry in TaskCatalog.Entries)
        {
            if (entry.Needs is null)
            {
                Assert.Contains("takes no file", Refusal(entry.Name, folder.File("x")), StringComparison.Ordinal);
                Assert.Null(TaskCatalog.Create(entry.Name).SampleCount);
            }
            else
            {
                Assert.Contains("needs a file: JSONL", Refusal(entry.Name, null), StringComparison.Ordinal);
                Assert.Contains("none.jsonl", Refusal(entry.Name, folder.File("none.jsonl")), StringComparison.Ordinal);
                Assert.Contains("is empty", Refusal(entry.Name, folder.Write("empty.jsonl", " \n\n")), StringComparison.Ordinal);
                Assert.Contains("bad.jsonl:1: is not valid JSON", Refusal(entry.Name, folder.Write("bad.jsonl", "{\"a\": \n")), StringComparison.Ordinal);
            }
        }
    }

    private static string Refusal(string task, string? file) => Assert.Throws<KvasirException>(() => TaskCatalog.Create(task, file)).Message;
}
