using System.CommandLine;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Measurement;

namespace Kvasir.Cli.Calibrate;

/// <summary><c>kvasir calibrate</c>: measures a model's keys on a text, for policies that want to know them beforehand.</summary>
internal sealed class CalibrateCommand
{
    private const int DefaultTokens = 4096;
    private readonly Shell _shell;
    private readonly Argument<string> _model = ModelSetup.Argument();
    private readonly Option<string> _text = new("--text") { HelpName = "FILE", Description = "A text like those that the model will read, in UTF-8", Required = true };
    private readonly Option<string> _output = new("--output") { HelpName = "FILE", Description = "Where the result goes, as safetensors: --attention loki:file=FILE reads it", Required = true };
    private readonly Option<int?> _tokens = Typed.Whole("--tokens", $"Tokens of the text that are read [default: {DefaultTokens}, or what the text or the context holds]", 1, int.MaxValue);
    private readonly Option<int?> _threads = EngineFlags.Threads();
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "No plan and no progress; errors only" };

    public CalibrateCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("calibrate", "Measure in which dimensions a model's keys vary, for --attention loki");
        Command.Arguments.Add(_model);
        foreach (var option in (Option[])[_text, _output, _tokens, _threads, _quiet])
            Command.Options.Add(option);
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        var quiet = typed.GetValue(_quiet);
        var text = PromptText.Read(_shell, null, typed.GetValue(_text), keepsEnd: true);
        if (string.IsNullOrWhiteSpace(text))
        {
            var source = typed.GetValue(_text) == PromptText.StandardInput ? "the standard input" : Printable.Line(typed.GetValue(_text)!);
            throw new KvasirException(KvasirError.BadOption, $"{source} has no text to measure keys on");
        }

        using var model = ModelSetup.Load(_shell, typed.GetValue(_model)!, new ModelOptions(), quiet);
        int[] tokens = [.. model.Tokenizer.Encode(text)];
        var count = Math.Min(Math.Min(tokens.Length, typed.GetValue(_tokens) ?? DefaultTokens), model.Config.ContextTokens - 1);
        var options = new EngineOptions { Threads = typed.GetValue(_threads) ?? 0, ContextTokens = Math.Min(count + 2, model.Config.ContextTokens), MaxSequences = 1, QueueLimit = 1 };
        using var engine = ModelSetup.Start(_shell, model, options, quiet);
        var path = typed.GetValue(_output)!;
        using (new ProgressLine(_shell, quiet, () => $"reading {count} tokens"))
            KeyCalibration.Run(engine, tokens.AsSpan(0, count), path);
        if (!quiet)
            _shell.Note($"wrote {Printable.Line(path)}: axes of {model.Config.LayerCount * model.Config.KvHeadCount} heads from {count} tokens");
        return ExitCode.Ok;
    }
}
