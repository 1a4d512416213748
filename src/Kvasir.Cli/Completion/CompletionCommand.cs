using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Completion;

/// <summary><c>kvasir completion</c>: a script by which a shell completes verbs, flags and their values, made from the definitions of all verbs.</summary>
internal sealed class CompletionCommand(Shell shell) : Verb
{
    private static readonly Dictionary<string, Func<IReadOnlyList<Verb>, string>> Scripts = new()
    {
        ["bash"] = BashScript.Of,
        ["zsh"] = ZshScript.Of,
        ["fish"] = FishScript.Of,
    };

    private static readonly Operand Kind = new("SHELL", FlagValues.Alternatives([.. Scripts.Keys]), FlagValues.OneOf("SHELL", [.. Scripts.Keys]));

    public override string Name => "completion";

    public override string Summary => "Write a script that completes verbs, flags and their values in a shell";

    public override IReadOnlyList<Operand> Operands => [Kind];

    public override IReadOnlyList<FlagGroup> Flags => [];

    public override IReadOnlyList<string> Examples =>
    [
        """echo 'source <(kvasir completion bash)' >> ~/.bashrc""",
        "kvasir completion zsh > ~/.zfunc/_kvasir",
        "kvasir completion fish > ~/.config/fish/completions/kvasir.fish",
    ];

    public override string Notes => "zsh wants the folder in fpath before compinit runs: fpath+=~/.zfunc in ~/.zshrc.";

    public override int Run(TypedCommand typed)
    {
        shell.Output.Write(Scripts[typed.Get(Kind)](Verbs.All(shell)));
        return ExitCode.Ok;
    }
}
