using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;

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

    public override IReadOnlyList<Operand> Operands => [RemoteFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags =>
        [new("Conversation", System), RemoteFlags.Group, .. GenerationFlags.Groups, .. EngineFlags.Groups, new("Output", Json, OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir chat model.gguf",
        "kvasir chat model.gguf --system \"Answer in one sentence\" --context 16k",
        "kvasir chat --server http://localhost:8080",
        """printf 'What is 2+2?\nAnd doubled?\n' | kvasir chat model.gguf --json""",
    ];

    public override string Notes => """"
        In the chat, /help lists the commands. Three quotes (""") begin and end a message of several lines.
        Ctrl-C ends an answer and keeps the chat; at the prompt, Ctrl-C or Ctrl-D leaves.
        """";

    public override string? Refusal(TypedCommand typed) =>
        (typed.Has(RemoteFlags.Server) ? RemoteRequest.Refusal(typed) : null) ?? GenerationFlags.Refusal(typed, Json);

    public override int Run(TypedCommand typed)
    {
        var quiet = typed.Is(OutputFlags.Quiet);
        if (typed.Find(RemoteFlags.Server) is { } address)
        {
            using var server = new RemoteServer(address);
            return Talk(new ServerPartner(shell, server, typed, typed.Find(RemoteFlags.Model), quiet), typed, quiet);
        }

        var name = typed.Get(RemoteFlags.Model);
        using var model = ModelSetup.Load(shell, name, ModelFlags.Read(typed), quiet);
        if (model.Template is null)
            throw new KvasirException(
                KvasirError.BadTemplate,
                $"{model.Path} has no chat template, so it completes text only: kvasir run {name} \"Once upon a time\"");
        using var started = ModelSetup.Start(shell, model, typed, quiet, isConversation: true);
        return Talk(new EnginePartner(shell, started, GenerationFlags.Read(typed, model), quiet), typed, quiet);
    }

    private int Talk(ChatPartner partner, TypedCommand typed, bool quiet) =>
        new ChatSession(shell, partner, typed.Is(Json), quiet) { Instructions = typed.Find(System) }.Run();
}
