using System.CommandLine;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Evaluation.Tuning;

namespace Kvasir.Cli.Tune;

/// <summary><c>kvasir tune</c>: the cheapest setting of any policy that keeps a target on somebody's own prompts.</summary>
internal sealed class TuneCommand
{
    private readonly Shell _shell;
    private readonly Argument<string> _model = ModelSetup.Argument();
    private readonly TuneFlags _flags = new();
    private readonly Option<string?> _out = new("--out") { HelpName = "FILE", Description = "Write the setting as a policy file, which --attention @FILE reads" };
    private readonly OutputFlags _output = new("Write one JSON object instead of the table");

    public TuneCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("tune", "Find the cheapest setting of a policy that keeps agreement with dense attention on your own prompts, or the score of a task");
        Command.Arguments.Add(_model);
        _flags.AddTo(Command);
        Command.Options.Add(_out);
        _output.AddTo(Command);
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        var (tasks, options, path, quiet) = (_flags.Tasks(typed), _flags.Options(typed), typed.GetValue(_out), _output.IsQuiet(typed));
        if (path is not null)
            FoundPolicy.RequireWritable(path);
        using var model = ModelSetup.Load(_shell, typed.GetValue(_model)!, new ModelOptions(), quiet, _shell.ErrorIsTerminal);
        var plan = _flags.Read(typed, tasks, model);
        using var run = new TuneRun(model, plan, options);
        var isWhole = Measure(run, quiet);
        if (run.Dense is { } dense)
        {
            var best = isWhole ? run.Best : null;
            var report = new TuneReport(model.Config.Name, MeasureText(typed, plan), options.Target, options.ByTime ? "time" : "keys", isWhole ? null : true, dense, run.Points, best);
            Show(report, typed);
            if (best is not null && path is not null)
                FoundPolicy.Write(path, report, SampleText(plan), $"kvasir {string.Join(' ', typed.Tokens.Select(static token => token.Value))}");
            if (isWhole)
                return Conclude(report, path, quiet);
        }

        _shell.Note("interrupted; nothing was written");
        return _shell.Interrupts.Code;
    }

    // False when it was interrupted.
    private bool Measure(TuneRun run, bool quiet)
    {
        var isWhole = true;
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(_shell, quiet, () => run.Progress is { } now
            ? $"{now.Policy}: {now.Samples} of {now.SampleCount} samples, {now.Settings} of at most {now.MostSettings} settings done"
            : "preparing samples");
        _shell.Interrupts.Guard(cancel.Cancel, () =>
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

    private void Show(TuneReport report, ParseResult typed)
    {
        if (_output.IsJson(typed))
            _shell.Output.WriteLine(ReportJson.Text(report));
        else
            TuneTable.Write(report, _shell.Output);
    }

    private int Conclude(TuneReport report, string? path, bool quiet)
    {
        if (report.Best is { } best)
        {
            if (!quiet)
                _shell.Note(path is null ? $"--attention {Printable.Line(best.Policy)} keeps {TuneTable.Figures(best)}" : $"wrote {Printable.Line(path)}: --attention @{Printable.Line(path)} keeps {TuneTable.Figures(best)}");
            return ExitCode.Ok;
        }

        var sparse = report.Points.Where(static point => point.KeysRead < 1).ToArray();
        _shell.Error.WriteLine(sparse.Length == 0
            ? "kvasir: no policy reads less than everything on these samples; --min-context 0 lets them choose on short ones"
            : $"kvasir: no setting keeps {Share.Text(report.Target)}; the nearest is {Printable.Line(sparse.MaxBy(static point => point.Kept)!.Policy)} with {Share.Text(sparse.Max(static point => point.Kept))}");
        return ExitCode.Failed;
    }

    private string MeasureText(ParseResult typed, EvaluationPlan plan) => _flags.IsOfTask(typed)
        ? $"dense attention's score of {string.Join(", ", plan.Tasks.Select(static task => task.Name))}, protocol {ProtocolText.Letter(plan.Protocols[0])}"
        : $"agreement with dense attention, protocol {ProtocolText.Letter(plan.Protocols[0])}";

    private static string SampleText(EvaluationPlan plan) =>
        $"{SizeText.Count(plan.Tasks.Sum(plan.SamplesOf))} samples of up to {SizeText.Count(plan.Contexts[0])} tokens, KV {KvText.Name(plan.Kv)},";
}
