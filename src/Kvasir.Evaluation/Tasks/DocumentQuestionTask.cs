using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>A question about the documents of its own line of a file, which lie among documents of other lines.</summary>
internal sealed class DocumentQuestionTask : EvaluationTask
{
    private const int RulerAnswerTokens = 32;

    private readonly string _name;

    private readonly List<DocumentQuestion> _questions;

    // Every document once, in the file's order.
    private readonly string[] _documents;

    private DocumentQuestionTask(string name, string path)
    {
        _name = name;
        _questions = DocumentQuestions.Load(path);
        _documents = [.. _questions.SelectMany(asked => asked.Documents.Concat(asked.Near)).Distinct()];
    }

    public static TaskEntry[] Entries { get; } =
    [
        Entry("qa_1", "a question about one of many documents, as of SQuAD"),
        Entry("qa_2", "a question about two of many documents, as of HotpotQA"),
    ];

    public override int? SampleCount => _questions.Count;

    public override Sample Generate(SampleRequest request)
    {
        if ((uint)request.Index >= (uint)_questions.Count)
            throw new ArgumentOutOfRangeException(nameof(request), request.Index, $"the file has {_questions.Count} questions");
        var question = _questions[request.Index];
        var dice = Dice.Of(_name, request);
        var others = Around(question, dice);
        var fit = new SampleFit(_name, request);
        var longest = question.Answers.MaxBy(fit.Count)!;
        var asked = $"\n\nAnswer the question from the documents above, in a few words and nothing else.\n\nQuestion: {question.Question}";
        var empty = new Sample("", asked, " Answer:", question.Answers, fit.AnswerTokens(RulerAnswerTokens, [longest]), ScoringRule.ContainsAny);
        return fit.Fill(
            words => empty with
            {
                Context = $"Some of the documents below say what will be asked.\n\n{Numbered(question.Documents, others, words, dice.Part(0))}",
            },
            mostUnits: (int)Math.Min(int.MaxValue, others.Sum(document => (long)Words(document))));
    }

    private static TaskEntry Entry(string name, string summary) =>
        new(name, TaskCatalog.Ruler, summary, TaskCatalog.RulerPaper, path => new DocumentQuestionTask(name, path)) { Needs = DocumentQuestions.Formats };

    // Those about the same matter first; both kinds in random order.
    private string[] Around(DocumentQuestion question, Dice dice)
    {
        string[] near = [.. question.Near.Except(question.Documents)];
        string[] far = [.. _documents.Except(question.Documents).Except(near)];
        dice.Shuffle<string>(near);
        dice.Shuffle<string>(far);
        return [.. near, .. far];
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
