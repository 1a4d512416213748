using System.CommandLine;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Inspect;

/// <summary><c>kvasir inspect</c>: what a model's files hold, and what running it takes.</summary>
internal sealed class InspectCommand
{
    private readonly Shell _shell;
    private readonly Argument<string> _model = ModelSetup.Argument();
    private readonly Option<bool> _tensors = new("--tensors") { Description = "List every tensor" };
    private readonly StudyFlags _study = new();
    private readonly Option<bool> _json = new(OutputFlags.JsonName) { Description = "Write one JSON object instead of the text" };

    public InspectCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("inspect", "Show what a model's files hold: shape, tokenizer, template, memory plan, tensors, metadata; or what its attention reads");
        Command.Arguments.Add(_model);
        Command.Options.Add(_tensors);
        _study.AddTo(Command);
        Command.Options.Add(_json);
        Command.Validators.Add(result =>
        {
            if (result.GetValue(_tensors) && result.GetValue<bool>("--attention"))
                result.AddError("--tensors and --attention were given; one of them is allowed");
        });
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        if (_study.IsWanted(typed))
            return new StudyRun(_shell, _study).Run(typed, typed.GetValue(_model)!, typed.GetValue(_json));
        var (model, problem) = TryLoad(typed.GetValue(_model)!);
        using (model)
        {
            var contents = ModelContents.Read(model?.Path ?? typed.GetValue(_model)!);
            var report = Inspected.Report(contents, model, problem?.Message, typed.GetValue(_tensors));
            if (typed.GetValue(_json))
                _shell.Output.WriteLine(ReportJson.Text(report));
            else
                InspectText.Write(report, _shell.Output);
        }

        if (problem is null)
            return ExitCode.Ok;
        _shell.Error.WriteLine($"kvasir: {Printable.Line(problem.Message)}");
        return ExitCode.Failed;
    }

    // A model that does not run here can be looked at all the same, as long as its files can be read.
    private static (Model? Model, KvasirException? Problem) TryLoad(string name)
    {
        try
        {
            return (Model.Load(name, new ModelOptions { Repack = false }), null);
        }
        catch (KvasirException problem) when (problem.Error != KvasirError.FileNotFound)
        {
            return (null, problem);
        }
    }
}
