using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Kernels.Attention.Formats;

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

    private static readonly (PolicyEffect Effect, string Heading)[] Groups =
    [
        (PolicyEffect.Select, "SELECT: all tokens stay, and a query reads some of them"),
        (PolicyEffect.Drop, "DROP: tokens that will not be read again give their memory back"),
        (PolicyEffect.Merge, "MERGE: tokens become one, which counts for all of them"),
        (PolicyEffect.Store, "STORE: all tokens are read, in less memory"),
    ];

    public override int Run(TypedCommand typed)
    {
        var report = new PoliciesReport([.. PolicyCatalog.Entries.Select(PolicyReport.Of)], [.. KvFormat.Table.Select(FormatReport.Of)]);
        if (typed.Is(Json))
        {
            shell.Output.WriteLine(PoliciesJson.Text(report));
            return ExitCode.Ok;
        }

        var sections = new TextSections(shell.Output);
        foreach (var (effect, heading) in Groups)
        {
            sections.Write(heading, []);
            foreach (var policy in report.Policies.Where(policy => policy.Effect == ReportJson.Name(effect)))
                Write(sections, policy);
        }

        sections.Write(
            $"--kv: how keys and values are stored, whatever policy reads them; {ModelFlags.KvRank.Name} makes values narrower beside that",
            [["format", $"bytes for each token and KV head of {PolicyReport.Dim}", "meaning"], .. report.Formats.Select(static format =>
                new[] { format.Name, FlagValues.Invariant($"{format.BytesPerToken:0.#}"), format.Summary })]);
        return ExitCode.Ok;
    }

    private static void Write(TextSections sections, PolicyReport policy)
    {
        sections.Write($"{policy.Name}: {policy.Summary}", Facts(policy));
        if (policy.Options.Length > 0)
        {
            sections.Write(
                "  options",
                [["name", "default", "range", "meaning"], .. policy.Options.Select(static o => new[] { o.Name, o.Default, o.Range, o.Summary })]);
        }
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
