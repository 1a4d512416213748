using System.CommandLine;
using Kvasir.Attention;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Policies;

/// <summary><c>kvasir policies</c>: the catalogue of attention policies and what each may be told.</summary>
internal sealed class PoliciesCommand
{
    private readonly Shell _shell;
    private readonly Option<bool> _json = new(OutputFlags.JsonName) { Description = "Write one JSON object instead of the text" };

    public PoliciesCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("policies", "List the attention policies: paper, options with ranges and defaults, cost of the index");
        Command.Options.Add(_json);
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        var report = new PoliciesReport([.. PolicyCatalog.Entries.Select(PolicyReport.Of)]);
        if (typed.GetValue(_json))
        {
            _shell.Output.WriteLine(ReportJson.Text(report));
            return ExitCode.Ok;
        }

        var sections = new Sections(_shell.Output);
        foreach (var policy in report.Policies)
        {
            sections.Write($"{policy.Name}: {policy.Summary}", Facts(policy));
            if (policy.Options.Length > 0)
                sections.Write("  options", [["name", "default", "range", "meaning"], .. policy.Options.Select(static o => new[] { o.Name, o.Default, o.Range, o.Summary })]);
        }

        return ExitCode.Ok;
    }

    private static List<string[]> Facts(PolicyReport policy)
    {
        var rows = new List<string[]> { new[] { "paper", policy.Paper }, new[] { "everything", $"--attention {policy.KeepEverything}" } };
        if (policy.Needs is { } needs)
            rows.Add(["needs", needs]);
        if (policy.Budgets.Length > 0)
            rows.Add(["budgets", string.Join("; ", policy.Budgets.Select(budget => budget[(policy.Name.Length + 1)..]))]);
        if (policy.IndexBytesPerToken > 0)
            rows.Add(["index", $"{policy.IndexBytesPerToken:0.#} bytes for each token and KV head of {PolicyReport.Dim}"]);
        return rows;
    }
}
