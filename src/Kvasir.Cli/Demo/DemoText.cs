using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Tasks;

namespace Kvasir.Cli.Demo;

/// <summary>What a demonstration says beside its table.</summary>
internal static class DemoText
{
    /// <summary>What is going to happen.</summary>
    public static IEnumerable<string> Beginning(Model model, DemoRun run, DemoBoard board)
    {
        var (haystack, questions) = (run.Haystack, run.Haystack.Questions.Count);
        yield return $"{Printable.Line(model.Config.Name)} reads {SizeText.Count(run.TextTokens)} tokens once: "
            + $"{haystack.KeyCount} keys and {haystack.ChainCount} chains of variables in idle words; "
            + $"then it is asked for {questions} {(questions == 1 ? "number" : "numbers")}";
        string[] sparse = [.. board.Labels.Where((_, i) => run.Policies[i].Name != "dense").Distinct()];
        var others = sparse.Length == 0 ? "" : $"; {Listed(sparse)} {(sparse.Length == 1 ? "looks" : "look")} for the part that matters";
        yield return $"dense attention reads all of it, {SizeText.Bytes(run.TextBytes)} of keys and values, for every token{others}";
        if (run.Lowered.Count > 0)
        {
            string[] lowered = [.. board.Labels.Where((_, i) => run.Lowered.Contains(run.Policies[i])).Distinct()];
            yield return $"note: min-context is 0 for {Listed(lowered)}, which would read everything at this length";
        }
    }

    /// <summary>While the text is computed.</summary>
    public static string Computing(DemoRun run, TimeSpan elapsed) => $"computing the text: {SpeedText.Describe(run.ComputedTokens, run.SharedTokens, elapsed)}";

    /// <summary>An answer on a line of its own.</summary>
    public static string Answered(DemoBoard board, int question, int policy, DemoAnswer answer)
    {
        var asked = board.Questions[question];
        return $"{question + 1} of {board.Questions.Count}, {asked.Asked} ({asked.Number}, at {ShareText.Text(Math.Round(asked.Depth, 2))}): "
            + $"{board.Labels[policy]} {DemoTable.Marked(answer)}, "
            + $"{ShareText.Text(answer.KeysRead)} of keys read, {SpeedText.Rate(answer.Tokens / answer.DecodeMs * 1000)}";
    }

    /// <summary>That dense attention fails too, where it does: then it is the model that does not read so far. Null otherwise.</summary>
    public static string? BeyondModel(DemoBoard board)
    {
        var dense = Enumerable.Range(0, board.Labels.Count).FirstOrDefault(policy => board.Labels[policy] == "dense", -1);
        return dense >= 0 && board.Score(dense) is { } score && score.Right < score.Asked
            ? $"note: dense attention gets {score.Right} of {score.Asked} right, so the rest is beyond the model itself at this length; "
                + "hold the others to dense's answers"
            : null;
    }

    /// <summary>What to do after it.</summary>
    public static string Next(string model, HaystackQuestion question) =>
        $"next: kvasir run {model} \" {question.Asked} 42 .{question.Prompt}\" --temperature 0 --max-tokens 2, "
            + $"or kvasir eval needle {model} --context 4k --min-context 0 --attention psa,guarded";

    private static string Listed(string[] names) => names.Length < 2 ? string.Concat(names) : $"{string.Join(", ", names[..^1])} and {names[^1]}";
}
