using System.CommandLine;
using Kvasir.Cli.Evaluating;
using Kvasir.Cli.Options;
using Kvasir.Cli.Reports;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;
using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Threads;

namespace Kvasir.Cli;

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
            return Run(typed, model => _agree.Read(typed, task, model));
        }));
        Command.Subcommands.Add(Verb("ppl", "Measure the perplexity of a text's last tokens under policies, behind a beginning that is computed densely", _ppl.AddTo, typed =>
            Run(typed, model => _ppl.Read(typed, model))));
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        var tasks = _flags.Tasks(typed);
        if (!_output.IsQuiet(typed) && _flags.LeftOut(typed, tasks).ToArray() is [_, ..] leftOut)
            _shell.Note($"without {string.Join(", ", leftOut)}: they need --file");
        return Run(typed, model => _flags.Read(typed, tasks, model.Config.ContextTokens));
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
    private int Run(ParseResult typed, Func<Model, EvaluationPlan> read)
    {
        using var json = Open(_output.Json(typed));
        using var csv = Open(_output.Csv(typed));
        using var model = ModelSetup.Load(_shell, typed.GetValue(_model)!, new ModelOptions(), _output.IsQuiet(typed) || !_shell.ErrorIsTerminal);
        var plan = read(model);
        using var run = new EvaluationRun(model, plan);
        using var state = _output.State(typed) is { } path ? StateFile.Open(path, StateHeader.Of(plan, model), plan.Keys(), _output.Restarts(typed)) : null;
        var results = new EvalResults(run);
        var isWhole = Evaluate(run, state, results, typed);
        if (results.Samples.Count > 0)
            Write(EvaluationReport.Of(Settings(model, plan, run, typed), results.Samples, partial: !isWhole), typed, json, csv);
        if (isWhole)
            return ExitCode.Ok;
        _shell.Note(state is null
            ? $"interrupted after {results.Samples.Count} of {run.ResultCount} samples; with --state FILE it could go on"
            : $"interrupted after {results.Samples.Count} of {run.ResultCount} samples; the same command goes on from there");
        return _shell.Interrupts.Code;
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

    private void Write(EvaluationReport report, ParseResult typed, FileStream? json, FileStream? csv)
    {
        if (json is not null)
            ReportFile.Write(json, writer => writer.WriteLine(report.Json()));
        if (csv is not null)
            ReportFile.Write(csv, writer => ResultCsv.Write(report.Rows, writer));
        if (_output.Json(typed) == EvalOutput.StandardOutput)
            _shell.Output.WriteLine(report.Json());
        else if (_output.Csv(typed) == EvalOutput.StandardOutput)
            ResultCsv.Write(report.Rows, _shell.Output);
        else
            EvalTable.Write(report, _shell.Output);
        if (_output.IsQuiet(typed))
            return;
        foreach (var sample in report.Samples.Where(static sample => sample is { Policy: "dense", ExpectedTokens: 0, DecodedTokens: 0 }))
            _shell.Note($"note: dense attention ends prompt {sample.Sample + 1} at once, so that nothing is compared; --ignore-end goes on");
        foreach (var row in report.Rows.Where(static row => row is { KeysRead: 1, Policy: not "dense" } && !row.Policy.Contains("min-context=", StringComparison.Ordinal)).DistinctBy(static row => (row.Policy, row.Context)))
            _shell.Note($"note: {Printable.Line(row.Policy)} read everything at {SizeText.Count(row.Context)} tokens; --min-context 0 lets it choose");
    }

    private static EvaluationSettings Settings(Model model, EvaluationPlan plan, EvaluationRun run, ParseResult typed)
    {
        var config = model.Config;
        var memory = SizeText.Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        return new EvaluationSettings(
            config.Name,
            $"{config.Architecture}, {config.LayerCount} layers, {config.HeadCount} query and {config.KvHeadCount} KV heads of {config.HeadDim}, weights {SizeText.Bytes(model.Weights.Bytes)}, window {SizeText.Count(config.ContextTokens)}",
            $"{Processor.Name}, {ProcessorTopology.PhysicalCpus().Length} cores, {memory}",
            VersionText.Informational, KvText.Name(plan.Kv), run.ThreadCount, plan.Seed,
            $"kvasir {string.Join(' ', typed.Tokens.Select(static token => token.Value.Contains(' ', StringComparison.Ordinal) ? $"\"{token.Value}\"" : token.Value))}");
    }

    private static FileStream? Open(string? path) => path is null or EvalOutput.StandardOutput ? null : ReportFile.Open(path);
}
