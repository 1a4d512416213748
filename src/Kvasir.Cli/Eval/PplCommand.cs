using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Eval;

/// <summary><c>kvasir eval ppl</c>: perplexity of any text under policies.</summary>
internal sealed class PplCommand(Shell shell) : Verb
{
    public override string Name => "eval ppl";

    public override string Summary => "Measure the perplexity of a text's last tokens under policies, behind a beginning that is computed densely";

    public override IReadOnlyList<Operand> Operands => [ModelFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags => [PplFlags.Group, .. ComparisonFlags.Groups(auditShare: "0", hasProtocols: false), EvalOutput.Group];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir eval ppl model.gguf --file book.txt --context 4096,16k --attention psa,quest --windows 16",
        "kvasir eval ppl model.gguf --file book.txt --context 32k --scored 512 --attention guarded --sweep budget",
    ];

    public override string Notes => """
        All of a window but its last --scored tokens is computed densely; those are fed under the policy, each predicting the next.
        The score is the share of tokens that come first, the loss is in nats a token, the perplexity is its exponential.
        Ctrl-C stops; with --state FILE the same command goes on from there.
        """;

    public override string? Refusal(TypedCommand typed) => EvalOutput.Refusal(typed);

    public override int Run(TypedCommand typed) => new EvalSession(shell, typed).Run(model => PplFlags.Read(typed, model));
}
