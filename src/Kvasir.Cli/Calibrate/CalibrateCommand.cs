using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Measurement;

namespace Kvasir.Cli.Calibrate;

/// <summary><c>kvasir calibrate</c>: measures a model's keys on a text, for policies that want to know them beforehand.</summary>
internal sealed class CalibrateCommand(Shell shell) : Verb
{
    private const int DefaultTokens = 4096;

    private static readonly ValueFlag<string> Text = new(
        "--text",
        "A text like those that the model will read, in UTF-8",
        FlagValues.File)
    { IsRequired = true };

    private static readonly ValueFlag<string> Output = new(
        "--output", "Where the result goes, as safetensors: --attention loki:file=FILE reads it", FlagValues.WrittenFile)
    {
        IsRequired = true,
        Elsewhere = ["-o", "--out"],
    };

    private static readonly ValueFlag<int> Tokens = new("--tokens", "Tokens of the text that are read", FlagValues.Whole(1))
    {
        Otherwise = $"{DefaultTokens}, or what the text or the context holds",
    };

    public override string Name => "calibrate";

    public override string Summary => "Measure on a text in which dimensions a model's keys vary, for policies that need it";

    public override IReadOnlyList<Operand> Operands => [ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags =>
        [new("Calibration", Text, Output, Tokens), new("Processor", EngineFlags.Threads), new("Output", OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir calibrate model.gguf --text book.txt --output axes.safetensors",
        "kvasir run model.gguf --file long.txt --attention loki:file=axes.safetensors",
    ];

    public override string Notes => """
        The text is read densely, and its keys are kept in memory until their axes are known.
        """;

    public override int Run(TypedCommand typed)
    {
        var (file, quiet) = (typed.Get(Text), typed.Is(OutputFlags.Quiet));
        var text = PromptText.Read(shell, null, file, keepsEnd: true);
        PromptText.RequireSome(text.Trim(), file);
        using var model = ModelSetup.Load(shell, typed.Get(ModelFlags.Model), new ModelOptions(), quiet);
        int[] tokens = [.. model.Tokenizer.Encode(text)];
        var count = Math.Min(Math.Min(tokens.Length, typed.FindValue(Tokens) ?? DefaultTokens), model.Config.ContextTokens - 1);
        var options = new EngineOptions
        {
            Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
            ContextTokens = Math.Min(count + 2, model.Config.ContextTokens),
            MaxSequences = 1,
            Queue = QueueLimits.None,
        };
        using var engine = ModelSetup.Start(shell, model, options, quiet);
        var path = typed.Get(Output);
        using (new ProgressLine(shell, quiet, () => $"reading {count} tokens"))
            KeyCalibration.Run(engine, tokens.AsSpan(0, count), path);
        if (!quiet)
            shell.Note($"wrote {Printable.Line(path)}: axes of {model.Config.LayerCount * model.Config.KvHeadCount} heads from {count} tokens");
        return ExitCode.Ok;
    }
}
