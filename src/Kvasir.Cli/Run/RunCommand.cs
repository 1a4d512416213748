using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;
using Kvasir.Cli.Terminal;
using Kvasir.Text;

namespace Kvasir.Cli.Run;

/// <summary><c>kvasir run</c>: one prompt, one answer.</summary>
internal sealed class RunCommand(Shell shell) : Verb
{
    private const int EchoLimitChars = 400;

    private static readonly Operand Prompt = new(
        "PROMPT",
        "The prompt; without it, --file or the standard input is read",
        FlagValues.Text)
    { IsOptional = true };

    private static readonly ValueFlag<string> File = new(
        "--file", "Read the prompt from a file in UTF-8 (- for the standard input), less its last line break", FlagValues.Path)
    { Letter = "-f" };

    private static readonly ValueFlag<string> System = new("--system", "Instructions in front of the prompt, for models with a chat template", FlagValues.Text)
    {
        Elsewhere = ["-sys", "--system-prompt"],
    };

    private static readonly SwitchFlag Raw = new("--raw", "The prompt as it is: no chat template, special tokens spelled in it count, no line break is dropped")
    {
        Elsewhere = ["-no-cnv", "--no-conversation"],
    };

    private static readonly ValueFlag<string> Suffix = new(
        "--suffix", "With --raw: what stands behind the prompt; the answer belongs between, where the model was made for that", FlagValues.Text)
    { Elsewhere = ["--fim-suffix"] };

    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object with text, tokens, usage, timings, seed and memory instead of the text");

    public override string Name => "run";

    public override string Summary => "Answer one prompt, or continue one text, and write it to the standard output";

    public override IReadOnlyList<Operand> Operands => [RemoteFlags.Model, Prompt];

    public override IReadOnlyList<FlagGroup> Flags =>
        [
            new("Prompt", File, System, Raw, Suffix), RemoteFlags.Group, FormFlags.Group,
            .. GenerationFlags.Groups, .. EngineFlags.Groups, KvFileFlags.Group, new("Output", Json, OutputFlags.Quiet),
        ];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir run stories260K \"Once upon a time\" --temperature 0 --max-tokens 100",
        "kvasir run model.gguf --file question.txt --context 32k --kv q8",
        "git diff | kvasir run model.gguf --system \"Write a commit message for this change\"",
        "kvasir run model.gguf \"Name three rivers\" --json | jq -r .text",
        "kvasir run model.gguf \"Three rivers and their lengths\" --json-schema rivers.json | jq",
        "kvasir run coder.gguf --raw --file begin.py --suffix \"$(cat end.py)\"",
        "kvasir run model.gguf --file book.txt --load-kv book.kv --save-kv book.kv",
        "kvasir run --server http://localhost:8080 \"Once upon a time\"",
    ];

    public override string Notes => """
        Ctrl-C ends the answer and keeps what there is (exit code 130); a second one ends the process at once.
        """;

    public override string? Refusal(TypedCommand typed)
    {
        var (prompt, file) = (Words(typed).Prompt, typed.Find(File));
        if (prompt is not null && file is not null)
            return "a prompt and --file were given; one of them is allowed";
        if (prompt is null && file is null && shell.InputIsTerminal)
            return "no prompt: give PROMPT, or --file PATH, or pipe it in";
        if (prompt is "" && !typed.Is(Raw))
            return "the prompt is empty; with --raw a text begins from nothing";
        if (typed.Is(Raw) && typed.Has(System))
            return "--system needs the chat template that --raw leaves out";
        if (typed.Has(Suffix) && !typed.Is(Raw))
            return "--suffix stands behind a text as it is: give --raw too";
        return (typed.Has(RemoteFlags.Server) ? RemoteRequest.Refusal(typed) ?? RemoteRun.Refusal(typed, Raw) : null)
            ?? FormFlags.Refusal(typed) ?? GenerationFlags.Refusal(typed, Json);
    }

    public override int Run(TypedCommand typed)
    {
        var (isJson, quiet, isRaw) = (typed.Is(Json), typed.Is(OutputFlags.Quiet), typed.Is(Raw));
        var (name, prompted) = Words(typed);
        var text = PromptText.Read(shell, prompted, typed.Find(File), isRaw);
        if (!isRaw)
            PromptText.RequireSome(text, typed.Find(File));
        if (typed.Find(RemoteFlags.Server) is { } address)
            return new RemoteRun(shell, typed, address, Raw).Run(name, text, typed.Find(System), typed.Find(Suffix), isJson, Write);
        var files = new RowFiles(shell, typed);
        files.RequireWritable();
        using var model = ModelSetup.Load(shell, name!, ModelFlags.Read(typed), quiet);
        shell.RequireOutput();
        var prompt = typed.Find(Suffix) is { Length: > 0 } suffix ? EncodeGap(model, text, suffix) : Encode(model, text, typed.Find(System), isRaw);
        var constraint = FormFlags.Read(typed, model);
        using var started = ModelSetup.Start(shell, model, typed, quiet, isConversation: KvFileFlags.AreTyped(typed));
        var options = GenerationFlags.Seeded(GenerationFlags.Read(typed, model)) with { Constraint = constraint };
        var sequence = new Sequence(prompt, isRaw ? options : ToldText.Options(model, options));
        files.Load(started.Engine, sequence);
        if (!quiet && FormFlags.Note(constraint) is { } note)
            shell.Note(note);
        // Where a person reads both streams in one place, an empty line stands around the answer.
        var isMixed = !quiet && !isJson && shell is { OutputIsTerminal: true, ErrorIsTerminal: true };
        if (isMixed)
            shell.Error.WriteLine();
        if (isMixed && text.Length <= EchoLimitChars && (isRaw || model.Template is null))
            Echo(text);
        var answer = Answer.Compute(shell, started.Engine, sequence, quiet, isJson ? static _ => { } : Write);
        var (endCode, saveCode) = (shell.Interrupts.Code, files.Save(started.Engine, sequence));
        if (isJson)
            shell.Output.WriteLine(ReportJson.Text(AnswerFigures.Report(started.Engine, answer) with { Loaded = files.Loaded, Saved = files.Saved }));
        else if (!answer.Text.EndsWith('\n'))
            shell.Output.WriteLine();
        if (isMixed)
            shell.Error.WriteLine();
        if (!quiet)
            Note(AnswerFigures.Lines(started, answer));
        if ((sequence.Failure ?? files.Failure) is { } failure)
            throw failure;
        return sequence.Finish == FinishReason.Cancelled ? endCode : saveCode;
    }

    // With a server one word is the prompt, unless that comes from a file.
    private static (string? Model, string? Prompt) Words(TypedCommand typed)
    {
        var (first, second) = (typed.Find(RemoteFlags.Model), typed.Find(Prompt));
        return typed.Has(RemoteFlags.Server) && second is null && !typed.Has(File) ? (null, first) : (first, second);
    }

    private void Note(IEnumerable<string> lines)
    {
        foreach (var line in lines)
            shell.Note(line);
    }

    private static int[] EncodeGap(Model model, string before, string behind) => FillTokens.Of(model.Tokenizer) is { } fill
        ? fill.Encode(model.Tokenizer, before, behind)
        : throw new KvasirException(KvasirError.Unsupported, $"{model.Path} fills no gaps: its vocabulary has no tokens for that");

    private static int[] Encode(Model model, string text, string? system, bool isRaw)
    {
        if (isRaw)
            return EncodeRaw(model.Tokenizer, text);
        try
        {
            return EncodeTurn(model, text, system);
        }
        catch (KvasirException refusal) when (refusal.Error == KvasirError.BadTemplate && system is null)
        {
            throw new KvasirException(KvasirError.BadTemplate, $"{refusal.Message}; --raw does without the template", refusal);
        }
    }

    private static int[] EncodeTurn(Model model, string text, string? system)
    {
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
    private void Echo(string text) => shell.Error.Write(shell.HasColor ? $"\e[2m{Printable.Text(text)}\e[22m" : Printable.Text(text));

    private void Write(string text)
    {
        shell.Output.Write(shell.OutputIsTerminal ? Printable.Text(text) : text);
        shell.Output.Flush();
    }
}
