using System.Text.Json;

namespace Kvasir.Tools.Test.Support;

/// <summary>Questions about made-up people, each with a document that holds the answer.</summary>
internal static class QuestionFile
{
    public static string Write(TempFolder folder, int count = 400) => folder.Write("questions.jsonl", string.Concat(Enumerable.Range(0, count).Select(Line)));

    private static string Line(int i)
    {
        var idle = string.Join(' ', Enumerable.Repeat($"Much is said of person{i} and little of it is known for certain.", 1 + i % 5));
        var fields = new Dictionary<string, object>
        {
            ["question"] = $"Where does person{i} live?",
            ["answers"] = new[] { $"town{i * 7 % 1000:d3}", "nowhere at all" },
            ["documents"] = new[] { $"{idle} Now person{i} lives in town{i * 7 % 1000:d3}." },
        };
        return JsonSerializer.Serialize(fields) + "\n";
    }
}
