using System.CommandLine;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary><c>kvasir eval</c>: what attention policies lose on tasks, beside dense attention.</summary>
internal sealed class EvalCommand
{
    private readonly Shell _shell;
    private readonly EvalFlags _flags = new();
    private readonly AgreeFlags _agree = new();
    private readonly PplFlags _ppl = new();
    private readonly Argument<string> _model = ModelSetup.Argument();
    private readonly EvalOutput _output = new();

    public EvalCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("eval", "Measure on tasks what attention policies lose against dense attention, and what they read");
        _flags.AddTo(Command);
        Command.Arguments.Add(_model);
        _output.AddTo(Command);
        Command.SetAction(Run);
        Command.Subcommands.Add(Verb("agree", "Hold policies against dense attention on your own prompts, without expected answers: equal tokens, divergence, lengths of answers", _agree.AddTo, typed =>
        {
            var task = _agree.Task(typed);
            return Run(typed, _agree.Compared, model => _agree.Read(typed, task, model));
        }));
        Command.Subcommands.Add(Verb("ppl", "Measure the perplexity of a text's last tokens under policies, behind a beginning that is computed densely", _ppl.AddTo, typed =>
            Run(typed, _ppl.Compared, model => _ppl.Read(typed, model))));
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        var tasks = _flags.Tasks(typed);
        if (!_output.IsQuiet(typed) && _flags.LeftOut(typed, tasks).ToArray() is [_, ..] leftOut)
            _shell.Note($"without {string.Join(", ", leftOut)}: they need --file");
        return Run(typed, _flags.Compared, model => _flags.Read(typed, tasks, model.Config.ContextTokens));
    }

    private Command Verb(string name, string description, Action<Command> addFlags, Func<ParseResult, int> run)
    {
        var command = new Command(name, description);
        addFlags(command);
        command.Arguments.Add(_model);
        _output.AddTo(command);
        command.SetAction(run);
        return command;
    }

    /// <param name="read">The plan; files are read before the model.</param>
    private int Run(ParseResult typed, ComparisonFlags compared, Func<Model, EvaluationPlan> read)
    {
        using var files = new ReportFiles(_output, typed);
        using var model = ModelSetup.Load(_shell, typed.GetValue(_model)!, new ModelOptions(), _output.IsQuiet(typed), _shell.ErrorIsTerminal);
        var plan = read(model);
        var results = new EvalResults();
        using var run = Prepare(model, plan, results, typed);
        if (run is null)
        {
            _shell.Note("interrupted before the first sample");
            return _shell.Interrupts.Code;
        }

        using var state = _output.State(typed) is { } path ? StateFile.Open(path, StateHeader.Of(plan, model), plan.Keys(), _output.Restarts(typed)) : null;
        var isWhole = Evaluate(run, state, results, typed);
        if (results.Samples.Count > 0)
            Write(EvaluationDocument.Of(EvalSettings.Of(model, plan, run, typed.CommandResult, option => _output.Owns(option) || compared.ChoosesPolicies(option)), results.Samples, partial: !isWhole), typed, files);
        if (isWhole)
            return ExitCode.Ok;
        _shell.Note(state is null
            ? $"interrupted after {results.Samples.Count} of {run.ResultCount} samples; with --state FILE it could go on"
            : $"interrupted after {results.Samples.Count} of {run.ResultCount} samples; the same command goes on from there");
        return _shell.Interrupts.Code;
    }

    // Null when it was interrupted: a file may have many samples, and all of them are read.
    private EvaluationRun? Prepare(Model model, EvaluationPlan plan, EvalResults results, ParseResult typed)
    {
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(_shell, _output.IsQuiet(typed), () => results.Line);
        _shell.Interrupts.Guard(cancel.Cancel, () =>
        {
            try
            {
                results.Run = new EvaluationRun(model, plan, results.Made, cancel.Token);
            }
            catch (OperationCanceledException)
            {
            }
        });
        return results.Run;
    }

    // False when it was interrupted.
    private bool Evaluate(EvaluationRun run, StateFile? state, EvalResults results, ParseResult typed)
    {
        foreach (var earlier in state?.Results ?? [])
            results.Add(earlier);
        if (results.Samples.Count > 0 && !_output.IsQuiet(typed))
            _shell.Note($"going on after {results.Samples.Count} of {run.ResultCount} samples");
        var isWhole = true;
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(_shell, _output.IsQuiet(typed), () => results.Line);
        _shell.Interrupts.Guard(cancel.Cancel, () =>
        {
            try
            {
                run.WarmUp(cancel.Token);
                foreach (var result in run.Run(state?.Done, cancel.Token))
                {
                    state?.Append(result);
                    results.Add(result);
                }
            }
            catch (OperationCanceledException)
            {
                isWhole = false;
            }
        });
        return isWhole;
    }

    private void Write(EvaluationDocument document, ParseResult typed, ReportFiles files)
    {
        EvaluatedSample[] unused = [.. document.Samples.Where(static sample => sample is { Policy: PairedDifference.Dense, ExpectedTokens: 0, DecodedTokens: 0 })];
        var isCompared = document.Samples.Any(static sample => sample is not { Policy: PairedDifference.Dense } and not { Protocol: Protocol.QuestionDense });
        if (unused.Length > 0 && !isCompared && unused.Length == document.Samples.Count(static sample => sample.Policy == PairedDifference.Dense))
            throw new KvasirException(KvasirError.BadOption, $"dense attention ends all {unused.Length} prompts at once, so that nothing is compared; --ignore-end goes on");
        if (_output.Json(typed) == EvalOutput.StandardOutput)
            _shell.Output.WriteLine(EvaluationJson.Text(document));
        else if (_output.Csv(typed) == EvalOutput.StandardOutput)
            EvaluationCsv.Write(document.Samples, _shell.Output);
        else
            EvalTable.Write(document, _shell.Output);
        files.Write(document);
        if (_output.IsQuiet(typed))
            return;
        foreach (var sample in unused)
            _shell.Note($"note: dense attention ends prompt {sample.Sample + 1} at once, so that nothing is compared; --ignore-end goes on");
        foreach (var point in document.Overall.Where(ReadsAllUntold).DistinctBy(static point => (point.Policy, point.Context)))
            _shell.Note($"note: {Printable.Line(point.Policy)} read everything at {SizeText.Count(point.Context)} tokens; --min-context 0 lets it choose");
    }

    private static bool ReadsAllUntold(EvaluationPoint point) =>
        point is { KeysRead: 1, Policy: not PairedDifference.Dense } && !point.Policy.Contains("min-context=", StringComparison.Ordinal);
}
