using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Demo;

/// <summary>What <c>kvasir demo --json</c> writes.</summary>
/// <param name="Context">Tokens that were asked for.</param>
/// <param name="TextTokens">That every question is about.</param>
/// <param name="SharedTokens">Of them, those that were computed once; each policy computes the others itself.</param>
/// <param name="SharedMs">That they took.</param>
/// <param name="Partial">True when it was interrupted.</param>
internal sealed record DemoReport(
    string Model, int Context, int TextTokens, int SharedTokens, double SharedMs, ulong Seed,
    string Kv, int Threads, bool? Partial, DemoPolicyReport[] Policies, DemoQuestionReport[] Questions)
{
    public static DemoReport Of(Model model, DemoPlan plan, DemoRun run, DemoBoard board) => new(
        model.Config.Name,
        plan.ContextTokens,
        run.TextTokens,
        run.SharedTokens,
        Math.Round(run.ComputedMs, 3),
        plan.Seed,
        plan.Kv.Name,
        run.ThreadCount,
        board.AnswerCount < board.Questions.Count * board.Labels.Count ? true : null,
        [.. run.Policies.Select((policy, i) => DemoPolicyReport.Of(policy.Name, board.Score(i)))],
        [
            .. board.Questions.Select((question, i) =>
                new DemoQuestionReport(question.Asked, question.Number, Math.Round(question.Depth, 4), [.. Answers(run, board, i)])),
        ]);

    private static IEnumerable<DemoAnswerReport> Answers(DemoRun run, DemoBoard board, int question)
    {
        for (var i = 0; i < run.Policies.Count; i++)
        {
            if (board.Answer(question, i) is { } answer)
                yield return new DemoAnswerReport(
                    run.Policies[i].Name, answer.Text, answer.IsRight, answer.KeysRead,
                    answer.Tokens, Math.Round(answer.DecodeMs, 3), Math.Round(answer.PromptMs, 3));
        }
    }
}

/// <param name="TotalMs">Of its answers: last tokens of the text, index, question and answer.</param>
internal sealed record DemoPolicyReport(string Name, int Right, int Asked, double? KeysRead, double? MsPerToken, double? TokensPerSecond, double? TotalMs)
{
    public static DemoPolicyReport Of(string name, DemoScore? score) => new(
        name, score?.Right ?? 0, score?.Asked ?? 0, score?.KeysRead, Rounded(score?.MsPerToken), Rounded(score?.TokensPerSecond), Rounded(score?.TotalMs));

    private static double? Rounded(double? value) => value is { } number && double.IsFinite(number) ? Math.Round(number, 3) : null;
}

/// <param name="Expected">The number.</param>
/// <param name="Depth">Where the text says it, 0 to 1.</param>
internal sealed record DemoQuestionReport(string Question, string Expected, double Depth, DemoAnswerReport[] Answers);

/// <param name="DecodeMs">Of the tokens of question and answer, which are computed under the policy.</param>
/// <param name="PromptMs">Of the text's last tokens and the policy's index.</param>
internal sealed record DemoAnswerReport(string Policy, string Answer, bool Right, double KeysRead, int Tokens, double DecodeMs, double PromptMs);

/// <summary>How a demonstration becomes JSON.</summary>
[JsonSerializable(typeof(DemoReport))]
internal sealed partial class DemoJson : JsonSerializerContext
{
    private static readonly DemoJson Written = new(ReportJson.Style());

    public static string Text(DemoReport report) => JsonSerializer.Serialize(report, Written.DemoReport);
}
