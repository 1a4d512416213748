using System.CommandLine;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Chat;

/// <summary><c>kvasir chat</c>: a conversation by the model's template.</summary>
internal sealed class ChatCommand
{
    private readonly Shell _shell;
    private readonly Argument<string> _model = ModelSetup.Argument();
    private readonly Option<string?> _system = new("--system") { HelpName = "TEXT", Description = "Instructions in front of the conversation" };
    private readonly GenerationFlags _generation = new();
    private readonly EngineFlags _engine = new();
    private readonly ModelFlags _loading = new();
    private readonly OutputFlags _output = new("Write one line of JSON for each turn instead of the text");

    public ChatCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("chat", "Talk with a model; messages are lines of the standard input");
        Command.Arguments.Add(_model);
        Command.Options.Add(_system);
        _generation.AddTo(Command);
        _engine.AddTo(Command);
        _loading.AddTo(Command);
        _output.AddTo(Command);
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        var (name, quiet) = (typed.GetValue(_model)!, _output.IsQuiet(typed));
        using var model = ModelSetup.Load(_shell, name, _loading.Read(typed), quiet);
        if (model.Template is null)
            throw new KvasirException(KvasirError.BadTemplate, $"{model.Path} has no chat template, so it completes text only: kvasir run {name} \"Once upon a time\"");
        using var started = ModelSetup.Start(_shell, model, _engine, typed, quiet);
        var session = new ChatSession(_shell, started, _generation.Read(typed, model), _output.IsJson(typed), quiet) { Instructions = typed.GetValue(_system) };
        return session.Run();
    }
}
