using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Eval;

/// <summary><c>kvasir eval agree</c>: policies beside dense attention on somebody's own prompts.</summary>
internal sealed class AgreeCommand(Shell shell) : Verb
{
    public override string Name => "eval agree";

    public override string Summary =>
        "Hold policies against dense attention on your own prompts, without expected answers: equal tokens, divergence, lengths of answers";

    public override IReadOnlyList<Operand> Operands => [ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags => [AgreeFlags.Group, .. ComparisonFlags.Groups(auditShare: "0.05"), EvalOutput.Group];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir eval agree model.gguf --prompts questions.jsonl --attention psa,quest,@mine.policy",
        "kvasir eval agree model.gguf --prompt-file contract.txt,minutes.txt --attention guarded --sweep budget --protocol a,b",
    ];

    public override string Notes => """
        Dense attention answers each prompt greedily, up to --tokens. Every policy is then fed that answer, and the predictions
        behind its tokens are compared: the score is the share of tokens that both put first, the divergence is in nats a token.
        In protocol b the prompt's last --question-tokens are fed under the policy too. A policy that differs anywhere also
        answers by itself, to compare lengths. Prompts are taken as they are: a chat model's template belongs into them.
        --audit is on by default here, for the mass kept and the error of attention's output.
        Ctrl-C stops; with --state FILE the same command goes on from there.
        """;

    public override string? Refusal(TypedCommand typed) => PromptFlags.Refusal(typed) ?? EvalOutput.Refusal(typed);

    public override int Run(TypedCommand typed)
    {
        var task = AgreeFlags.Task(typed);
        return new EvalSession(shell, typed).Run(model => AgreeFlags.Read(typed, task, model));
    }
}
