using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;

namespace Kvasir.Cli.Inspect;

/// <summary>A <see cref="StudyReport"/> for people: all policies, then each by layer.</summary>
internal static class StudyText
{
    private static readonly string[] Titles = ["keys read", "by a head", "mass kept", "error"];

    public static void Write(StudyReport report, TextWriter output)
    {
        var sections = new TextSections(output);
        sections.Write(
            $"attention of {Printable.Line(report.Model.Name)}: "
                + $"the last {report.Queries} of {SizeText.Count(report.PromptTokens)} prompt tokens, KV {report.Kv}, beside dense attention",
            [
                ["policy", .. Titles],
                .. report.Policies.Select(static policy => new[]
                {
                    policy.Policy, ShareText.Text(policy.KeysReadShare), ShareText.Text(policy.KeysUsedShare),
                    ShareText.Text(policy.MassKept), ShareText.Text(policy.Error),
                }),
            ]);
        foreach (var policy in report.Policies)
            sections.Write(policy.Policy, [["layer", .. Titles], .. policy.Layers.Select(Row)]);
        output.WriteLine();
        output.WriteLine(
            "keys read: from memory, by all query heads of a KV head together; by a head: those it used; mass kept: dense attention's weight on these;");
        output.WriteLine("error: |output - dense output| / |dense output|. All are means over heads and queries.");
    }

    private static string[] Row(LayerStudyReport layer) =>
        [
            SizeText.Count(layer.Layer), ShareText.Text(layer.KeysReadShare),
            ShareText.Text(layer.KeysUsedShare), ShareText.Text(layer.MassKept), ShareText.Text(layer.Error),
        ];
}
