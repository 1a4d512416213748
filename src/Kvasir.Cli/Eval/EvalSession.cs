using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>The run that <c>eval</c> and the verbs beneath it have in common: a plan becomes samples, and these a table and files.</summary>
internal sealed class EvalSession(Shell shell, TypedCommand typed)
{
    private readonly bool _isQuiet = typed.Is(EvalOutput.Quiet);

    /// <param name="read">The plan; files are read before the model.</param>
    /// <returns>The exit code.</returns>
    public int Run(Func<Model, EvaluationPlan> read)
    {
        shell.RequireOutput();
        var files = new ReportFiles(typed);
        files.RequireWritable();
        using var model = ModelSetup.Load(shell, typed.Get(ModelFlags.Model), ModelFlags.Read(typed), _isQuiet, shell.ErrorIsTerminal);
        var plan = read(model);
        var results = new EvalResults();
        using var run = Prepare(model, plan, results);
        if (run is null)
        {
            shell.Note("interrupted before the first sample");
            return shell.Interrupts.Code;
        }

        using var state = typed.Find(EvalOutput.State) is { } path
            ? StateFile.Open(path, StateHeader.Of(plan, model), plan.Keys(), typed.Is(EvalOutput.Restart))
            : null;
        var isWhole = Evaluate(run, state, results);
        if (results.Samples.Count > 0)
            Write(EvaluationDocument.Of(EvalSettings.Of(model, plan, run, typed), results.Samples, partial: !isWhole), files);
        if (isWhole)
            return ExitCode.Ok;
        shell.Note(state is null
            ? $"interrupted after {results.Samples.Count} of {run.ResultCount} samples; with --state FILE it could go on"
            : $"interrupted after {results.Samples.Count} of {run.ResultCount} samples; the same command goes on from there");
        return shell.Interrupts.Code;
    }

    // Null when it was interrupted: a file may have many samples, and all of them are read.
    private EvaluationRun? Prepare(Model model, EvaluationPlan plan, EvalResults results)
    {
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(shell, _isQuiet, () => results.Line);
        shell.Interrupts.Guard(cancel.Cancel, () =>
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
    private bool Evaluate(EvaluationRun run, StateFile? state, EvalResults results)
    {
        foreach (var earlier in state?.Results ?? [])
            results.Add(earlier);
        if (results.Samples.Count > 0 && !_isQuiet)
            shell.Note($"going on after {results.Samples.Count} of {run.ResultCount} samples");
        var isWhole = true;
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(shell, _isQuiet, () => results.Line);
        shell.Interrupts.Guard(cancel.Cancel, () =>
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

    private void Write(EvaluationDocument document, ReportFiles files)
    {
        EvaluatedSample[] unused =
            [.. document.Samples.Where(static sample => sample is { Policy: PairedDifference.Dense, ExpectedTokens: 0, DecodedTokens: 0 })];
        var isCompared = document.Samples.Any(static sample => sample is not { Policy: PairedDifference.Dense } and not { Protocol: Protocol.QuestionDense });
        if (unused.Length > 0 && !isCompared && unused.Length == document.Samples.Count(static sample => sample.Policy == PairedDifference.Dense))
            throw new KvasirException(
                KvasirError.BadOption,
                $"dense attention ends all {unused.Length} prompts at once, so that nothing is compared; --ignore-end goes on");
        if (typed.Find(EvalOutput.Json) == EvalOutput.StandardOutput)
            shell.Output.WriteLine(EvaluationJson.Text(document));
        else if (typed.Find(EvalOutput.Csv) == EvalOutput.StandardOutput)
            EvaluationCsv.Write(document.Samples, shell.Output);
        else
            EvalTable.Write(document, shell.Output);
        files.Write(document);
        if (_isQuiet)
            return;
        foreach (var sample in unused)
            shell.Note($"note: dense attention ends prompt {sample.Sample + 1} at once, so that nothing is compared; --ignore-end goes on");
        foreach (var point in document.Overall.Where(ReadsAllUntold).DistinctBy(static point => (point.Policy, point.Context)))
            shell.Note($"note: {Printable.Line(point.Policy)} read everything at {SizeText.Count(point.Context)} tokens; --min-context 0 lets it choose");
    }

    private static bool ReadsAllUntold(EvaluationPoint point) =>
        point is { KeysRead: 1, Policy: not PairedDifference.Dense } && !point.Policy.Contains("min-context=", StringComparison.Ordinal);
}
