using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Chat;

/// <summary><c>kvasir chat</c>: a conversation by the model's template.</summary>
internal sealed class ChatCommand(Shell shell) : Verb
{
    private static readonly ValueFlag<string> System = new(
        "--system",
        "Instructions in front of the conversation",
        FlagValues.Text)
    { Elsewhere = ["-sys", "--system-prompt"] };

    private static readonly SwitchFlag Json = OutputFlags.Json("Write one line of JSON for each turn instead of the text");

    public override string Name => "chat";

    public override string Summary => "Talk with a model; messages are lines of the standard input";

    public override IReadOnlyList<Operand> Operands => [ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags =>
        [new("Conversation", System), .. GenerationFlags.Groups, .. EngineFlags.Groups, new("Output", Json, OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir chat model.gguf",
        "kvasir chat model.gguf --system \"Answer in one sentence\" --context 16k",
        """printf 'What is 2+2?\nAnd doubled?\n' | kvasir chat model.gguf --json""",
    ];

    public override string Notes => """"
        In the chat, /help lists the commands. Three quotes (""") begin and end a message of several lines.
        Ctrl-C ends an answer and keeps the chat; at the prompt, Ctrl-C or Ctrl-D leaves.
        """";

    public override string? Refusal(TypedCommand typed) => GenerationFlags.Refusal(typed, Json);

    public override int Run(TypedCommand typed)
    {
        var (name, quiet) = (typed.Get(ModelFlags.Model), typed.Is(OutputFlags.Quiet));
        using var model = ModelSetup.Load(shell, name, ModelFlags.Read(typed), quiet);
        if (model.Template is null)
            throw new KvasirException(
                KvasirError.BadTemplate,
                $"{model.Path} has no chat template, so it completes text only: kvasir run {name} \"Once upon a time\"");
        using var started = ModelSetup.Start(shell, model, typed, quiet, isConversation: true);
        var session = new ChatSession(shell, started, GenerationFlags.Read(typed, model), typed.Is(Json), quiet) { Instructions = typed.Find(System) };
        return session.Run();
    }
}
