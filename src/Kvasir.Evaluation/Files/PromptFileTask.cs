using Kvasir.Evaluation.Scoring;

namespace Kvasir.Evaluation.Files;

/// <summary>Prompts and answers of a JSONL file, one sample a line, as long as they are.</summary>
internal sealed class PromptFileTask : EvaluationTask
{
    private const int AnswerTokens = 128;

    private readonly JsonLines _lines;

    private readonly Func<JsonLine, Sample> _read;

    private PromptFileTask(string path, Func<JsonLine, Sample> read)
    {
        _lines = JsonLines.Open(path, line => read(line));
        _read = read;
    }

    public static TaskEntry[] Entries { get; } =
    [
        new("jsonl", "file", "prompts and answers from a file", "the user", path => new PromptFileTask(path, Plain))
        {
            Needs = "JSONL with answers (or answer, outputs) and either prompt (or input), or context and question (or input); "
                + "optional answer_prefix, max_new_tokens and scoring (any, all, f1, rouge, line, number)",
        },
        new(
            "longbench", "file", "a data set of LongBench, in the wording of this project",
            "Bai et al. 2023, LongBench", path => new PromptFileTask(path, LongBench.Read))
        {
            Needs = "JSONL of LongBench: context, input, answers, dataset",
        },
    ];

    public override int? SampleCount => _lines.Count;

    public override Sample Generate(SampleRequest request) =>
        (uint)request.Index < (uint)_lines.Count
            ? _lines.Read(request.Index, _read)
            : throw new ArgumentOutOfRangeException(nameof(request), request.Index, $"the file has {_lines.Count} samples");

    private static Sample Plain(JsonLine line)
    {
        var answers = line.Texts("answers", "answer", "outputs");
        var rule = Rule(line, line.FindText("scoring") ?? "any");
        var (context, question) = line.FindText("context") is { Length: > 0 } text
            ? (text, "\n\n" + line.Text("question", "input"))
            : ("", line.Text("prompt", "input"));
        return new Sample(context, question, line.FindText("answer_prefix") ?? "", answers, line.FindCount("max_new_tokens") ?? AnswerTokens, rule);
    }

    private static ScoringRule Rule(JsonLine line, string name) => name switch
    {
        "any" => ScoringRule.ContainsAny,
        "all" => ScoringRule.ContainsAll,
        "f1" => ScoringRule.WordF1,
        "rouge" => ScoringRule.LongestSequence,
        "line" => ScoringRule.FirstLine,
        "number" => ScoringRule.Numbers,
        _ => throw line.Bad($"scoring '{name}' is unknown; known: any, all, f1, rouge, line, number"),
    };
}
