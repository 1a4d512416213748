using System.Text.Json;
using Kvasir.Files;

namespace Kvasir.Evaluation.Files;

/// <summary>Reads questions about documents: SQuAD and HotpotQA as they are published (.json), or a question on each line (JSONL).</summary>
internal static class DocumentQuestions
{
    public const string Formats =
        "JSONL with question, answers, documents (that hold the answer) and optional distractors, or the published JSON of SQuAD or HotpotQA";

    private const long MaxBytes = 1L << 30;

    /// <exception cref="KvasirException">The file is missing, damaged, has no question, or is of another form.</exception>
    public static List<DocumentQuestion> Load(string path)
    {
        var questions = new List<DocumentQuestion>();
        if (!path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            JsonLines.Open(path, line => questions.Add(Read(line)));
        else
            ReadPublished(path, questions);
        return questions.Count > 0 ? questions : throw Bad(path, "has no question that can be answered");
    }

    private static DocumentQuestion Read(JsonLine line) => new(
        line.Text("question"),
        line.Texts("answers", "answer", "outputs"),
        line.Texts("documents"),
        line.Has("distractors") ? line.Texts("distractors") : []);

    private static void ReadPublished(string path, List<DocumentQuestion> questions)
    {
        var place = "the file";
        try
        {
            if (new FileInfo(path).Length is var bytes and > MaxBytes)
                throw Bad(path, $"has {bytes} bytes; the limit is {MaxBytes}");
            using var document = JsonDocument.Parse(PlainText.ReadFile(path, MaxBytes));
            var (isSquad, index) = (document.RootElement.ValueKind == JsonValueKind.Object, 0);
            foreach (var item in (isSquad ? document.RootElement.GetProperty("data") : document.RootElement).EnumerateArray())
            {
                place = $"item {index++}";
                questions.AddRange(isSquad ? Squad(item) : [Hotpot(item)]);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path}: {exception.Message}", exception);
        }
        catch (JsonException exception)
        {
            throw new KvasirException(
                KvasirError.BadFile, $"{path}: is not valid JSON, in line {exception.LineNumber + 1} at byte {exception.BytePositionInLine}", exception);
        }
        catch (Exception exception) when (exception is InvalidOperationException or KeyNotFoundException)
        {
            // How an element reports that it is of another kind than was asked for, or lacks a property.
            throw new KvasirException(KvasirError.BadFile, $"{path}: {place} is not as SQuAD or HotpotQA have it", exception);
        }
    }

    // An article: its paragraphs are near one another. Questions that cannot be answered are left out, as RULER does.
    private static IEnumerable<DocumentQuestion> Squad(JsonElement article)
    {
        string[] paragraphs = [.. Texts(article.GetProperty("paragraphs"), paragraph => Text(paragraph, "context"))];
        var index = 0;
        foreach (var paragraph in article.GetProperty("paragraphs").EnumerateArray())
        {
            var own = paragraphs[index++];
            foreach (var asked in paragraph.GetProperty("qas").EnumerateArray())
            {
                string[] answers = [.. Texts(asked.GetProperty("answers"), answer => Text(answer, "text")).Where(answer => answer.Length > 0).Distinct()];
                if (answers.Length > 0)
                    yield return new DocumentQuestion(Text(asked, "question"), answers, [own], [.. paragraphs.Except([own])]);
            }
        }
    }

    // As in RULER, all of a question's documents are its own, those that only mislead among them.
    private static DocumentQuestion Hotpot(JsonElement item) => new(
        Text(item, "question"),
        [Text(item, "answer")],
        [
            .. Texts(item.GetProperty("context"), document =>
                $"{document[0].GetString()}\n{string.Concat(Texts(document[1], sentence => sentence.GetString()!))}"),
        ],
        []);

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? throw new KeyNotFoundException(name);

    private static IEnumerable<string> Texts(JsonElement array, Func<JsonElement, string> text)
    {
        foreach (var element in array.EnumerateArray())
            yield return text(element);
    }

    private static KvasirException Bad(string path, string what) => new(KvasirError.BadFile, $"{path}: {what}");
}

/// <summary>A question that some documents answer.</summary>
/// <param name="Question">As asked.</param>
/// <param name="Answers">Any of them is right.</param>
/// <param name="Documents">What has to be read.</param>
/// <param name="Near">Documents about the same matter that do not have to be read; the first to stand around those that do.</param>
internal sealed record DocumentQuestion(string Question, string[] Answers, string[] Documents, string[] Near);
