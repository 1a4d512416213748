using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Eval;

/// <summary><c>kvasir eval</c>: what attention policies lose on tasks, beside dense attention.</summary>
internal sealed class EvalCommand(Shell shell) : Verb
{
    public override string Name => "eval";

    public override string Summary => "Measure on tasks what policies lose against dense attention, and what they read; goes on where it was stopped";

    public override IReadOnlyList<Operand> Operands => [EvalFlags.Tasks, ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags => [EvalFlags.Group, .. ComparisonFlags.Groups(auditShare: "0"), EvalOutput.Group];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir eval needle needle --context 4k --attention psa,quest,streaming --min-context 0 --samples 20",
        "kvasir eval niah_single_1,vt model.gguf --context 16k --attention psa --sweep budget --protocol a,b --state run.jsonl --html run.html",
        "kvasir eval jsonl model.gguf --file questions.jsonl --attention magicpig --json results.json --csv results.csv",
    ];

    public override string Notes => """
        Dense attention always runs too: every difference is from it, on the same samples, with its 95% confidence interval.
        Protocols: a computes context, question and the answer's beginning densely; b computes the context densely, and feeds
        the question under the policy. They rank policies differently, so every table names them.
        A policy reads everything below its min-context (4096 tokens or more unless it is told otherwise): --min-context 0
        lets short samples say something. --sweep budget takes each policy from few keys to many, as kvasir policies lists them.
        Ctrl-C stops; with --state FILE the same command goes on from there.
        Without expected answers: kvasir eval agree --help (your own prompts), kvasir eval ppl --help (any text).
        """;

    public override string? Refusal(TypedCommand typed) => EvalOutput.Refusal(typed);

    public override int Run(TypedCommand typed)
    {
        var tasks = EvalFlags.Planned(typed);
        if (!typed.Is(EvalOutput.Quiet) && EvalFlags.LeftOut(typed, tasks).ToArray() is [_, ..] leftOut)
            shell.Note($"without {string.Join(", ", leftOut)}: they need --file");
        return new EvalSession(shell, typed).Run(model => EvalFlags.Read(typed, tasks, model.Config.ContextTokens));
    }
}
