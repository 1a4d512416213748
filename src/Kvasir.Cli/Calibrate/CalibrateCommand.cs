using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Measurement;

namespace Kvasir.Cli.Calibrate;

/// <summary><c>kvasir calibrate</c>: measures on texts what policies want to know of a model beforehand.</summary>
internal sealed class CalibrateCommand(Shell shell) : Verb
{
    private const int DefaultTokens = 4096;
    private const string Loki = "loki";
    private const string XKV = "xkv";

    private static readonly ValueFlag<string> For = new(
        "--for", $"The policy that reads the result: {Loki} wants a text, {XKV} a sample of your own prompts", FlagValues.OneOf("POLICY", Loki, XKV))
    {
        Default = Loki,
    };

    private static readonly ValueFlag<string> Text = new("--text", $"For {Loki}: a text like those that the model will read, in UTF-8", FlagValues.File);

    private static readonly ValueFlag<string> Output = new(
        "--output", $"Where the result goes: --attention {Loki}:file=FILE reads it, or {XKV}:file=FILE", FlagValues.WrittenFile)
    {
        IsRequired = true,
        Elsewhere = ["-o", "--out"],
    };

    private static readonly ValueFlag<int> Tokens = new("--tokens", $"For {Loki}: tokens of the text that are read", FlagValues.Whole(1))
    {
        Otherwise = $"{DefaultTokens}, or what the text or the context holds",
    };

    public override string Name => "calibrate";

    public override string Summary =>
        "Measure on texts in which dimensions a model's keys vary, or what its layers want of a budget, for policies that need it";

    public override IReadOnlyList<Operand> Operands => [ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags =>
    [
        new("Calibration", For, Text, Tokens, PromptFlags.Lines, PromptFlags.Files, Output), new("Processor", EngineFlags.Threads),
        new("Output", OutputFlags.Quiet),
    ];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir calibrate model.gguf --text book.txt --output axes.safetensors",
        "kvasir run model.gguf --file long.txt --attention loki:file=axes.safetensors",
        "kvasir calibrate model.gguf --for xkv --prompts mine.jsonl --output budgets.json",
        "kvasir run model.gguf --file long.txt --attention xkv:file=budgets.json,share=0.1",
    ];

    public override string Notes => """
        Everything is read densely. A text's keys are kept in memory until their axes are known; of prompts, some ten that are like your own are enough.
        """;

    public override string? Refusal(TypedCommand typed)
    {
        if (typed.Get(For) == XKV)
            return typed.Has(Text) || typed.Has(Tokens)
                ? $"{(typed.Has(Text) ? Text.Name : Tokens.Name)} has a meaning with {For.Name} {Loki} only"
                : PromptFlags.Refusal(typed);
        if (PromptFlags.AreTyped(typed))
            return $"{(typed.Has(PromptFlags.Lines) ? PromptFlags.Lines : PromptFlags.Files).Name} has a meaning with {For.Name} {XKV} only";
        return typed.Has(Text) ? null : $"{Text.Name} FILE is missing";
    }

    public override int Run(TypedCommand typed) => typed.Get(For) == XKV ? SampleBudgets(typed) : MeasureKeys(typed);

    private int MeasureKeys(TypedCommand typed)
    {
        var (file, quiet) = (typed.Get(Text), typed.Is(OutputFlags.Quiet));
        var text = PromptText.Read(shell, null, file, keepsEnd: true);
        PromptText.RequireSome(text.Trim(), file);
        using var model = ModelSetup.Load(shell, typed.Get(ModelFlags.Model), new ModelOptions(), quiet);
        int[] tokens = [.. model.Tokenizer.Encode(text)];
        var count = Math.Min(Math.Min(tokens.Length, typed.FindValue(Tokens) ?? DefaultTokens), model.Config.ContextTokens - 1);
        using var engine = ModelSetup.Start(shell, model, Options(typed, model, count), quiet);
        var path = typed.Get(Output);
        using (new ProgressLine(shell, quiet, () => $"reading {count} tokens"))
            KeyCalibration.Run(engine, tokens.AsSpan(0, count), path);
        if (!quiet)
            shell.Note($"wrote {Printable.Line(path)}: axes of {model.Config.LayerCount * model.Config.KvHeadCount} heads from {count} tokens");
        return ExitCode.Ok;
    }

    private int SampleBudgets(TypedCommand typed)
    {
        var (prompts, path, quiet) = (PromptFlags.Read(typed).Prompts, typed.Get(Output), typed.Is(OutputFlags.Quiet));
        using var model = ModelSetup.Load(shell, typed.Get(ModelFlags.Model), new ModelOptions(), quiet);
        int[][] tokens = [.. prompts.Select(prompt => (int[])[.. model.Tokenizer.Encode(prompt.Text)])];
        using var engine = ModelSetup.Start(shell, model, Options(typed, model, tokens.Max(static prompt => prompt.Length)), quiet);
        int counted;
        using (new ProgressLine(shell, quiet, () => $"reading {tokens.Length} prompts"))
            counted = BudgetCalibration.Run(engine, tokens, path);
        if (!quiet)
            shell.Note($"wrote {Printable.Line(path)}: budgets of {model.Config.LayerCount} layers from {counted} prompts");
        return ExitCode.Ok;
    }

    private static EngineOptions Options(TypedCommand typed, Model model, int tokens) => new()
    {
        Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
        ContextTokens = Math.Min(tokens + 2, model.Config.ContextTokens),
        MaxSequences = 1,
        Queue = QueueLimits.None,
    };
}
