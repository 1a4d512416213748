using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Evaluation.Tuning;

namespace Kvasir.Cli.Tune;

/// <summary><c>kvasir tune</c>: the cheapest setting of any policy that keeps a target on somebody's own prompts.</summary>
internal sealed class TuneCommand(Shell shell) : Verb
{
    private static readonly ValueFlag<string> Out = new(
        "--out",
        "Write the setting as a policy file, which --attention @FILE reads",
        FlagValues.WrittenFile)
    { Elsewhere = ["-o", "--output"] };
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the table");

    public override string Name => "tune";

    public override string Summary =>
        "Find the cheapest setting of a policy that keeps agreement with dense attention on your own prompts, or the score of a task";

    public override IReadOnlyList<Operand> Operands => [ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags => [.. TuneFlags.Groups, new("Output", Out, Json, OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir tune model.gguf --prompts questions.jsonl --target 99% --out mine.policy",
        "kvasir run model.gguf --file long.txt --attention @mine.policy",
        "kvasir tune model.gguf --prompt-file contract.txt --attention psa,quest --by time",
        "kvasir tune model.gguf --task vt --context 16k --target 95% --protocol b",
    ];

    public override string Notes => """
        Agreement is the share of tokens of dense attention's answer that a policy puts first too, as in kvasir eval agree.
        Each policy is measured from few keys to many until it keeps the target, then between the last two budgets.
        Every setting computes all prompts: a few that are like your own say more than many that are not.
        Where no setting keeps the target, that is said, nothing is written, and the exit code is 1.
        """;

    public override string? Refusal(TypedCommand typed) => TuneFlags.Refusal(typed);

    public override int Run(TypedCommand typed)
    {
        shell.RequireOutput();
        var (tasks, options, path, quiet) = (TuneFlags.Tasks(typed), TuneFlags.Options(typed), typed.Find(Out), typed.Is(OutputFlags.Quiet));
        if (path is not null)
            ReportFile.RequireWritable(path);
        using var model = ModelSetup.Load(shell, typed.Get(ModelFlags.Model), new ModelOptions(), quiet, shell.ErrorIsTerminal);
        var plan = TuneFlags.Read(typed, tasks, model);
        using var run = new TuneRun(model, plan, options);
        var isWhole = Measure(run, quiet);
        if (run.Dense is { } dense)
        {
            var best = isWhole ? run.Best : null;
            var report = new TuneReport(
                model.Config.Name, MeasureText(typed, plan), options.Target, options.ByTime ? "time" : "keys", isWhole ? null : true, dense, run.Points, best);
            Show(report, typed);
            if (best is not null && path is not null)
                FoundPolicy.Write(path, report, SampleText(plan), typed.CommandLine);
            if (isWhole)
                return Conclude(report, path, quiet);
        }

        shell.Note("interrupted; nothing was written");
        return shell.Interrupts.Code;
    }

    // False when it was interrupted.
    private bool Measure(TuneRun run, bool quiet)
    {
        var isWhole = true;
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(shell, quiet, () => run.Progress is { } now
            ? $"{now.Policy}: {now.Samples} of {now.SampleCount} samples, {now.Settings} of at most {now.MostSettings} settings done"
            : "preparing samples");
        shell.Interrupts.Guard(cancel.Cancel, () =>
        {
            try
            {
                run.Run(cancel.Token);
            }
            catch (OperationCanceledException)
            {
                isWhole = false;
            }
        });
        return isWhole;
    }

    private void Show(TuneReport report, TypedCommand typed)
    {
        if (typed.Is(Json))
            shell.Output.WriteLine(TuneJson.Text(report));
        else
            TuneTable.Write(report, shell.Output);
    }

    private int Conclude(TuneReport report, string? path, bool quiet)
    {
        if (report.Best is { } best)
        {
            if (!quiet)
                shell.Note(path is null
                    ? $"--attention {Printable.Line(best.Policy)} keeps {TuneTable.Figures(best)}"
                    : $"wrote {Printable.Line(path)}: --attention @{Printable.Line(path)} keeps {TuneTable.Figures(best)}");
            return ExitCode.Ok;
        }

        var sparse = report.Points.Where(static point => point.KeysRead < 1).ToArray();
        shell.Error.WriteLine(sparse.Length == 0
            ? "kvasir: no policy reads less than everything on these samples; --min-context 0 lets them choose on short ones"
            : $"kvasir: no setting keeps {ShareText.Text(report.Target)}; the nearest is "
                + $"{Printable.Line(sparse.MaxBy(static point => point.Kept)!.Policy)} with {ShareText.Text(sparse.Max(static point => point.Kept))}");
        return ExitCode.Failed;
    }

    private static string MeasureText(TypedCommand typed, EvaluationPlan plan) => TuneFlags.IsOfTask(typed)
        ? $"dense attention's score of {string.Join(", ", plan.Tasks.Select(static task => task.Name))}, protocol {ProtocolText.Letter(plan.Protocols[0])}"
        : $"agreement with dense attention, protocol {ProtocolText.Letter(plan.Protocols[0])}";

    private static string SampleText(EvaluationPlan plan) =>
        $"{SizeText.Count(plan.Tasks.Sum(plan.SamplesOf))} samples of up to {SizeText.Count(plan.Contexts[0])} tokens, KV {plan.Kv.Name},";
}
