using Kvasir.Attention.Policies;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Policies;

/// <summary><c>kvasir policies</c>: the catalogue of attention policies and what each may be told.</summary>
internal sealed class PoliciesCommand(Shell shell) : Verb
{
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the text");

    public override string Name => "policies";

    public override string Summary => "List the ways to read a long cache: each with its paper, options, ranges and the cost of its index";

    public override IReadOnlyList<FlagGroup> Flags => [new("Output", Json)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir policies",
        "kvasir policies --json | jq '.policies[].name'",
        "kvasir run model.gguf --file long.txt --attention psa:coverage=0.98",
        "kvasir run model.gguf --file long.txt --attention quest:share=0.1+streaming:recent=16384",
    ];

    public override int Run(TypedCommand typed)
    {
        var report = new PoliciesReport([.. PolicyCatalog.Entries.Select(PolicyReport.Of)]);
        if (typed.Is(Json))
        {
            shell.Output.WriteLine(PoliciesJson.Text(report));
            return ExitCode.Ok;
        }

        var sections = new TextSections(shell.Output);
        foreach (var policy in report.Policies)
        {
            sections.Write($"{policy.Name}: {policy.Summary}", Facts(policy));
            if (policy.Options.Length > 0)
                sections.Write(
                    "  options",
                    [["name", "default", "range", "meaning"], .. policy.Options.Select(static o => new[] { o.Name, o.Default, o.Range, o.Summary })]);
        }

        return ExitCode.Ok;
    }

    private static List<string[]> Facts(PolicyReport policy)
    {
        var rows = new List<string[]> { new[] { "paper", policy.Paper }, new[] { "everything", $"--attention {policy.KeepEverything}" } };
        if (policy.Needs is { } needs)
            rows.Add(["needs", needs]);
        if (policy.DropsBesideOthers)
            rows.Add(["pairs", $"--attention quest+{policy.Name}: {policy.Name} drops, and quest, or another that drops nothing, selects among what is left"]);
        if (policy.Budgets.Length > 0)
            rows.Add(["budgets", string.Join("; ", policy.Budgets.Select(budget => budget[(policy.Name.Length + 1)..]))]);
        if (policy.IndexBytesPerToken > 0)
            rows.Add(["index", $"{policy.IndexBytesPerToken:0.#} bytes for each token and KV head of {PolicyReport.Dim}"]);
        return rows;
    }
}
