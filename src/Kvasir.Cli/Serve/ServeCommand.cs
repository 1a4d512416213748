using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Models;

namespace Kvasir.Cli.Serve;

/// <summary><c>kvasir serve</c>: models behind HTTP. What runs it is <see cref="ServeRun"/>, apart, so that other verbs load nothing of ASP.NET.</summary>
internal sealed class ServeCommand(Shell shell) : Verb
{
    /// <summary>What is served where no model is named.</summary>
    public const string Bundled = "stories260K";

    private static readonly Operand Model = ModelFlags.Model with
    {
        IsOptional = true,
        IsRepeated = true,
        Help = $"{ModelFlags.Model.Help}; several share memory and threads; without any {Bundled}, which tells stories",
    };

    public override string Name => "serve";

    public override string Summary => "Answer clients of OpenAI's, Anthropic's and Ollama's APIs over HTTP, many at once";

    public override IReadOnlyList<Operand> Operands => [Model];

    public override IReadOnlyList<FlagGroup> Flags =>
    [
        ServeFlags.Listening, ServeFlags.Access, new("Random weights", SyntheticFlags.Shape, SyntheticFlags.Weights),
        ServeFlags.Names, ServeFlags.Several, ServeFlags.Requests, TurnFlags.All, ServeFlags.Shared, ServeFlags.Watching,
        .. EngineFlags.Groups, new("Output", OutputFlags.Quiet),
    ];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir serve",
        "kvasir serve model.gguf --port 8080 --context 32k",
        "kvasir serve chat.gguf code.gguf --memory 24G --alias code=gpt-4o",
        "kvasir serve --models ~/models --memory 24G",
        "kvasir serve --synthetic llama3.2-1b --context 32k",
        "kvasir serve path/to/folder --kv q8 --kv-memory 8G --max-sequences 4",
    ];

    public override string Notes => "Ctrl-C or a termination signal lets requests that are under way end, for --drain-seconds; a second one ends at once.";

    public override string? Refusal(TypedCommand typed)
    {
        if (typed.Has(SyntheticFlags.Shape) && typed.All(Model).Count > 0)
            return "MODEL and --synthetic were given; one of them is allowed";
        var (alias, count) = (typed.Find(ServeFlags.Alias), typed.All(Model).Count);
        if (alias?.Contains('=', StringComparison.Ordinal) == false && count > 1)
            return $"--alias is '{alias}', and {count} models are named: --alias ID={alias} says which of them is called so";
        if (count > 1 && typed.Is(ServeFlags.AnyModel))
            return $"--any-model is for one model, and {count} are named";
        return typed.Has(SyntheticFlags.Weights) && !typed.Has(SyntheticFlags.Shape) ? "--weights is for --synthetic; a model's file has its own" : null;
    }

    public override int Run(TypedCommand typed) => ServeRun.Run(shell, typed, typed.All(Model));
}
