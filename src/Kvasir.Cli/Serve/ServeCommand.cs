using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Models;

namespace Kvasir.Cli.Serve;

/// <summary><c>kvasir serve</c>: a model behind HTTP. What runs it is <see cref="ServeRun"/>, apart, so that other verbs load nothing of ASP.NET.</summary>
internal sealed class ServeCommand(Shell shell) : Verb
{
    /// <summary>What is served where no model is named.</summary>
    public const string Bundled = "stories260K";

    private static readonly Operand Model = ModelFlags.Model with { IsOptional = true, Help = $"{ModelFlags.Model.Help}; without it {Bundled}, which tells stories" };

    public override string Name => "serve";

    public override string Summary => "Answer clients of OpenAI's API over HTTP, many at once";

    public override IReadOnlyList<Operand> Operands => [Model];

    public override IReadOnlyList<FlagGroup> Flags =>
    [
        ServeFlags.Listening, ServeFlags.Access, ServeFlags.Names, ServeFlags.Several, ServeFlags.Requests, TurnFlags.All, ServeFlags.Watching,
        .. EngineFlags.Groups, new("Output", OutputFlags.Quiet),
    ];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir serve",
        "kvasir serve model.gguf --port 8080 --context 32k",
        "kvasir serve --models ~/models --memory 24G",
        "kvasir serve path/to/folder --kv q8 --kv-memory 8G --max-sequences 4",
    ];

    public override string Notes => "Ctrl-C or a termination signal lets requests that are under way end, for --drain-seconds; a second one ends at once.";

    public override int Run(TypedCommand typed) => ServeRun.Run(shell, typed, typed.Find(Model));
}
