using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>A question about the documents of its own line of a file, which lie among documents of other lines.</summary>
internal sealed class DocumentQuestionTask : EvaluationTask
{
    private const int RulerAnswerTokens = 32;

    private const string Format = "JSONL with question, answers and documents (the texts that hold the answer); other lines' documents surround them";

    private readonly string _name;

    private readonly JsonLines _lines;

    // Every document once, in the file's order.
    private readonly string[] _documents;

    private DocumentQuestionTask(string name, string path)
    {
        _name = name;
        var documents = new Dictionary<string, int>();
        _lines = JsonLines.Open(path, line =>
        {
            (_, _) = (line.Text("question"), line.Texts("answers", "answer", "outputs"));
            foreach (var document in line.Texts("documents"))
                documents.TryAdd(document, documents.Count);
        });
        _documents = [.. documents.Keys];
    }

    public static TaskEntry[] Entries { get; } =
    [
        new("qa_1", TaskCatalog.Ruler, "a question about one of many documents, as of SQuAD", TaskCatalog.RulerPaper, path => new DocumentQuestionTask("qa_1", path)) { Needs = Format },
        new("qa_2", TaskCatalog.Ruler, "a question about two of many documents, as of HotpotQA", TaskCatalog.RulerPaper, path => new DocumentQuestionTask("qa_2", path)) { Needs = Format },
    ];

    public override int? SampleCount => _lines.Count;

    public override Sample Generate(SampleRequest request)
    {
        if ((uint)request.Index >= (uint)_lines.Count)
            throw new ArgumentOutOfRangeException(nameof(request), request.Index, $"the file has {_lines.Count} questions");
        var (question, answers, own) = _lines.Read(request.Index, line => (line.Text("question"), line.Texts("answers", "answer", "outputs"), line.Texts("documents")));
        var dice = Dice.Of(_name, request);
        string[] others = [.. _documents.Except(own)];
        dice.Shuffle<string>(others);
        var fit = new SampleFit(_name, request);
        var longest = answers.MaxBy(fit.Count)!;
        var asked = $"\n\nAnswer the question from the documents above, in a few words and nothing else.\n\nQuestion: {question}";
        var empty = new Sample("", asked, " Answer:", answers, fit.AnswerTokens(RulerAnswerTokens, [longest]), ScoringRule.ContainsAny);
        return fit.Fill(words => empty with { Context = $"Some of the documents below say what will be asked.\n\n{Numbered(own, others, words, dice.Part(0))}" }, mostUnits: others.Sum(Words));
    }

    private static string Numbered(string[] own, string[] others, int words, Dice dice)
    {
        List<string> documents = [.. own];
        for (var i = 0; i < others.Length && words > 0; words -= Words(others[i++]))
            documents.Add(Words(others[i]) <= words ? others[i] : Cut(others[i], words));
        var mixed = documents.ToArray();
        dice.Shuffle<string>(mixed);
        return string.Join("\n\n", mixed.Select((document, i) => $"Document {i + 1}:\n{document}"));
    }

    private static int Words(string document) => 1 + document.AsSpan().Count(' ');

    // The last document gives way to the length.
    private static string Cut(string document, int words) => string.Join(' ', document.Split(' ')[..words]);
}
