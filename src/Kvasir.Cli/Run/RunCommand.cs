using System.CommandLine;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Text;

namespace Kvasir.Cli.Run;

/// <summary><c>kvasir run</c>: one prompt, one answer.</summary>
internal sealed class RunCommand
{
    private const int EchoLimitChars = 400;
    private readonly Shell _shell;
    private readonly Argument<string> _model = ModelSetup.Argument();
    private readonly Argument<string?> _prompt = new("PROMPT") { Description = "The prompt; without it, --file or the standard input is read", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> _file = new("--file", "-f") { HelpName = "PATH", Description = "Read the prompt from a file in UTF-8 (- for the standard input), less its last line break" };
    private readonly Option<string?> _system = new("--system") { HelpName = "TEXT", Description = "Instructions in front of the prompt, for models with a chat template" };
    private readonly Option<bool> _raw = new("--raw") { Description = "The prompt as it is: no chat template, special tokens spelled in it count, no line break is dropped" };
    private readonly GenerationFlags _generation = new();
    private readonly EngineFlags _engine = new();
    private readonly ModelFlags _loading = new();
    private readonly OutputFlags _output = new("Write one JSON object with text, tokens, usage, timings, seed and memory instead of the text");

    public RunCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("run", "Answer one prompt, or continue one text, and write it to the standard output");
        Command.Arguments.Add(_model);
        Command.Arguments.Add(_prompt);
        Command.Options.Add(_file);
        Command.Options.Add(_system);
        Command.Options.Add(_raw);
        _generation.AddTo(Command);
        _engine.AddTo(Command);
        _loading.AddTo(Command);
        _output.AddTo(Command);
        Command.Validators.Add(result => Require(result.GetValue(_prompt), result.GetValue(_file), result.GetValue(_raw) && result.GetValue(_system) is not null, result.AddError));
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private void Require(string? prompt, string? file, bool isRawWithSystem, Action<string> refuse)
    {
        if (prompt is not null && file is not null)
            refuse("a prompt and --file were given; one of them is allowed");
        else if (prompt is null && file is null && _shell.InputIsTerminal)
            refuse("no prompt: give PROMPT, or --file PATH, or pipe it in");
        else if (isRawWithSystem)
            refuse("--system needs the chat template that --raw leaves out");
    }

    private int Run(ParseResult typed)
    {
        var (isJson, quiet, isRaw) = (_output.IsJson(typed), _output.IsQuiet(typed), typed.GetValue(_raw));
        var text = PromptText.Read(_shell, typed.GetValue(_prompt), typed.GetValue(_file), isRaw);
        using var model = ModelSetup.Load(_shell, typed.GetValue(_model)!, _loading.Read(typed), quiet);
        var prompt = Encode(model, text, typed.GetValue(_system), isRaw);
        using var started = ModelSetup.Start(_shell, model, _engine, typed, quiet);
        var sequence = new Sequence(prompt, GenerationFlags.Seeded(_generation.Read(typed, model)));
        // Where a person reads both streams in one place, an empty line stands around the answer.
        var isMixed = !quiet && !isJson && _shell is { OutputIsTerminal: true, ErrorIsTerminal: true };
        if (isMixed)
            _shell.Error.WriteLine();
        if (isMixed && text.Length <= EchoLimitChars && (isRaw || model.Template is null))
            Echo(text);
        var answer = Answer.Compute(_shell, started.Engine, sequence, quiet, isJson ? static _ => { } : Write);
        if (isJson)
            _shell.Output.WriteLine(ReportJson.Text(AnswerFigures.Report(started.Engine, answer)));
        else if (!answer.Text.EndsWith('\n'))
            _shell.Output.WriteLine();
        if (isMixed)
            _shell.Error.WriteLine();
        if (!quiet)
            Note(AnswerFigures.Lines(started, answer));
        if (sequence.Failure is { } failure)
            throw failure;
        return sequence.Finish == FinishReason.Cancelled ? _shell.Interrupts.Code : ExitCode.Ok;
    }

    private void Note(IEnumerable<string> lines)
    {
        foreach (var line in lines)
            _shell.Note(line);
    }

    private static int[] Encode(Model model, string text, string? system, bool isRaw)
    {
        if (isRaw)
            return EncodeRaw(model.Tokenizer, text);
        if (model.Template is null)
        {
            return system is null
                ? model.Tokenizer.Encode(text)
                : throw new KvasirException(KvasirError.BadTemplate, $"{model.Path} has no chat template for --system; write the instructions into the prompt");
        }

        var user = new ChatTurn("user", text);
        return model.EncodeChat(system is null ? [user] : [new ChatTurn("system", system), user]);
    }

    private static int[] EncodeRaw(Tokenizer tokenizer, string text)
    {
        var tokens = tokenizer.Encode(text, addBegin: true, parseSpecial: true);
        // Who spells the begin token out does not want two.
        return tokens is [var first, var second, ..] && first == second && first == tokenizer.BeginToken ? tokens[1..] : tokens;
    }

    // A continued text reads better with its beginning in front.
    private void Echo(string text) => _shell.Error.Write(_shell.HasColor ? $"\e[2m{Printable.Text(text)}\e[22m" : Printable.Text(text));

    private void Write(string text)
    {
        _shell.Output.Write(_shell.OutputIsTerminal ? Printable.Text(text) : text);
        _shell.Output.Flush();
    }
}
