using System.CommandLine;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Models;

namespace Kvasir.Cli.Bench;

/// <summary><c>kvasir bench</c>: how fast a model runs here, or how fast the machine is.</summary>
internal sealed class BenchCommand
{
    private readonly Shell _shell;
    private readonly Argument<string?> _model = new("MODEL") { Description = "A GGUF file, a Hugging Face style folder, or a bundled model", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<SyntheticShape?> _synthetic = new("--synthetic")
    {
        HelpName = "SHAPE",
        Description = $"Random weights in the shape of a model, instead of MODEL: {string.Join(", ", SyntheticShape.Names)}; SHAPE:LAYERS computes fewer layers",
        CustomParser = static result =>
        {
            try
            {
                return SyntheticShape.Parse(result.Tokens[^1].Value);
            }
            catch (KvasirException refusal)
            {
                result.AddError($"--synthetic: {refusal.Message}");
                return null;
            }
        },
    };

    private readonly Option<SyntheticWeights?> _weights = Typed.Parsed<SyntheticWeights?>(
        "--weights", "TYPE", "How a synthetic model's matrices are stored: q4_0, q8_0, q4_k_m or bf16 [default: q4_0]", "q4_0, q8_0, q4_k_m or bf16",
        static text => !text.All(char.IsAsciiDigit) && Enum.TryParse<SyntheticWeights>(text, ignoreCase: true, out var weights) ? weights : null);

    private readonly Option<bool> _machine = new("--machine") { Description = "Measure memory bandwidth and multiply-add rates by thread count, and no model" };
    private readonly Option<bool> _markdown = new("--markdown") { Description = "Write the table as Markdown" };
    private readonly Option<bool> _layers = new("--layers") { Description = "Write below the table what each layer read, too; JSON always has it" };
    private readonly BenchFlags _flags = new();
    private readonly ModelFlags _loading = new();
    private readonly OutputFlags _output = new("Write one JSON object with the machine and a row for each case instead of the table");

    public BenchCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("bench", "Measure prefill and decode speed at depth, or the machine itself");
        Command.Arguments.Add(_model);
        foreach (var option in (Option[])[_synthetic, _weights, _machine])
            Command.Options.Add(option);
        _flags.AddTo(Command);
        _loading.AddTo(Command);
        Command.Options.Add(_markdown);
        Command.Options.Add(_layers);
        _output.AddTo(Command);
        Command.Validators.Add(result => Require(
            result.GetValue(_model), result.GetResult(_synthetic) is not null, result.GetValue(_machine), result.GetResult(_weights) is not null, result.AddError));
        Command.Validators.Add(result =>
        {
            if (result.GetValue(_markdown) && result.GetValue<bool>(OutputFlags.JsonName))
                result.AddError("--markdown and --json were given; one of them is allowed");
        });
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private static void Require(string? model, bool isSynthetic, bool isMachine, bool hasWeights, Action<string> refuse)
    {
        if (isMachine && (model is not null || isSynthetic))
            refuse("--machine measures no model; MODEL and --synthetic go without it");
        else if (model is not null && isSynthetic)
            refuse("MODEL and --synthetic were given; one of them is allowed");
        else if (model is null && !isSynthetic && !isMachine)
            refuse($"no model: give MODEL, or --synthetic SHAPE ({string.Join(", ", SyntheticShape.Names)}), or --machine");
        else if (hasWeights && !isSynthetic)
            refuse("--weights is for --synthetic; a model's file has its own");
    }

    private int Run(ParseResult typed)
    {
        using var cancel = new CancellationTokenSource();
        BenchReport? report = null;
        _shell.Interrupts.Guard(cancel.Cancel, () => report = typed.GetValue(_machine) ? MeasureMachine(typed, cancel.Token) : MeasureModel(typed, cancel.Token));
        Write(report!, typed);
        if (report!.Partial != true)
            return ExitCode.Ok;
        _shell.Note("interrupted; these are the cases that were measured until then");
        return _shell.Interrupts.Code;
    }

    private BenchReport MeasureMachine(ParseResult typed, CancellationToken cancellation)
    {
        using var progress = Progress(typed, static () => "measuring memory and arithmetic");
        var machine = MachineProbe.Report(computes: true, cancellation);
        return new BenchReport(machine, cancellation.IsCancellationRequested ? true : null, []);
    }

    private BenchReport MeasureModel(ParseResult typed, CancellationToken cancellation)
    {
        var plan = _flags.Read(typed);
        // Before weights are made, which takes seconds, and again with what memory they leave.
        if (typed.GetValue(_synthetic) is { } shape)
            plan.RequireFits(shape.Config);
        using var model = Load(typed);
        plan.RequireFits(model.Config);
        var run = new BenchRun(plan, model, Template(typed, plan, model), cancellation);
        var machine = Machine(typed, cancellation);
        var isPartial = false;
        using (Progress(typed, () => run.Progress))
        {
            try
            {
                run.Measure();
            }
            catch (OperationCanceledException)
            {
                isPartial = true;
            }
        }

        return new BenchReport(machine, isPartial ? true : null, [.. run.Rows]);
    }

    private MachineReport Machine(ParseResult typed, CancellationToken cancellation)
    {
        using var progress = Progress(typed, static () => "measuring memory bandwidth");
        return MachineProbe.Report(computes: false, cancellation);
    }

    private Model Load(ParseResult typed)
    {
        if (typed.GetValue(_synthetic) is not { } shape)
            return ModelSetup.Load(_shell, typed.GetValue(_model)!, _loading.Read(typed), _output.IsQuiet(typed), _shell.ErrorIsTerminal);
        using var progress = Progress(typed, () => $"making the weights of {shape.Name}");
        return Model.Synthetic(shape, typed.GetValue(_weights) ?? SyntheticWeights.Q4_0, _flags.Read(typed).Seed, _loading.Read(typed));
    }

    private BenchRow Template(ParseResult typed, BenchPlan plan, Model model)
    {
        var shape = typed.GetValue(_synthetic);
        return new BenchRow
        {
            Model = shape?.Name ?? model.Config.Name,
            Weights = shape is null ? StoredTypes(model.Weights) : (typed.GetValue(_weights) ?? SyntheticWeights.Q4_0).ToString().ToLowerInvariant(),
            Kv = KvText.Name(plan.Kv),
            Threads = plan.Threads,
            Batch = 1,
            Depth = 0,
            Attention = "",
            Fill = "",
            Layers = shape is not null && shape.Config.LayerCount < shape.LayersOfShape ? shape.Config.LayerCount : null,
            Repeat = plan.Repeat,
            WeightBytes = model.Weights.Bytes,
            PackedBytes = model.Weights.PackedBytes,
            PeakBytes = 0,
        };
    }

    private static string StoredTypes(Weights weights) => string.Join(
        '+',
        weights.Layers.SelectMany(static layer => new[] { layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down })
            .GroupBy(static matrix => matrix.Type)
            .OrderByDescending(static type => type.Sum(static matrix => matrix.Bytes))
            .Select(static type => type.Key.ToString().ToLowerInvariant()));

    private void Write(BenchReport report, ParseResult typed)
    {
        if (_output.IsJson(typed))
            _shell.Output.WriteLine(ReportJson.Text(report));
        else if (typed.GetValue(_markdown))
            BenchTable.WriteMarkdown(report, _shell.Output);
        else
            BenchTable.WriteText(report, _shell.Output);
        if (typed.GetValue(_layers) && !_output.IsJson(typed))
            LayerLines.Write(report, _shell.Output);
    }

    // Only for a person who waits: a script's log would fill with it.
    private ProgressLine Progress(ParseResult typed, Func<string> text) => new(_shell, _output.IsQuiet(typed) || !_shell.ErrorIsTerminal, text);
}
