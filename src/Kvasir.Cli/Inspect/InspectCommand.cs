using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Inspect;

/// <summary><c>kvasir inspect</c>: what a model's files hold, and what running it takes.</summary>
internal sealed class InspectCommand(Shell shell) : Verb
{
    private static readonly SwitchFlag Tensors = new("--tensors", "List every tensor");
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the text");

    public override string Name => "inspect";

    public override string Summary => "Show what a model's files hold and what fits into memory; with --attention, what policies read of a prompt and lose";

    public override IReadOnlyList<Operand> Operands => [ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags => [new("What is shown", Tensors, StudyFlags.Attention), StudyFlags.Group, new("Output", Json)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir inspect stories260K",
        "kvasir inspect model.gguf --tensors",
        "kvasir inspect model.gguf --json | jq .plan",
        "kvasir inspect --attention model.gguf --prompt-file long.txt --policies psa,psa:coverage=0.8,block=32,quest --html maps.html",
    ];

    public override string Notes => """
        --attention runs on real keys and queries: the prompt's first tokens are each policy's prompt, its last --queries
        tokens are attended as if they were generated, by every policy and densely. A policy reads everything below its
        min-context (4096 tokens unless it is told otherwise), so shorter prompts want min-context=0.
        """;

    public override string? Refusal(TypedCommand typed) =>
        typed.Is(Tensors) && typed.Is(StudyFlags.Attention) ? "--tensors and --attention were given; one of them is allowed" : StudyFlags.Refusal(typed);

    public override int Run(TypedCommand typed)
    {
        var (name, isJson) = (typed.Get(ModelFlags.Model), typed.Is(Json));
        if (typed.Is(StudyFlags.Attention))
            return new StudyRun(shell, typed).Run(name, isJson);
        var (model, problem) = TryLoad(name);
        using (model)
        {
            var contents = ModelContents.Read(model?.Path ?? name);
            var report = InspectedModel.Report(contents, model, problem?.Message, typed.Is(Tensors));
            if (isJson)
                shell.Output.WriteLine(InspectJson.Text(report));
            else
                InspectText.Write(report, shell.Output);
        }

        if (problem is null)
            return ExitCode.Ok;
        shell.Error.WriteLine($"kvasir: {Printable.Line(problem.Message)}");
        return ExitCode.Failed;
    }

    // A model that does not run here can be looked at all the same, as long as its files can be read.
    private static (Model? Model, KvasirException? Problem) TryLoad(string name)
    {
        try
        {
            return (Model.Load(name, new ModelOptions { Repack = false }), null);
        }
        catch (KvasirException problem) when (problem.Error != KvasirError.FileNotFound)
        {
            return (null, problem);
        }
    }
}
