using System.Globalization;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;
using OwnPolicy;

namespace Kvasir.Tools.Test.Evaluation;

/// <summary>
/// What every policy of the catalogue loses on the bundled model's tasks at 4096 tokens, against what it lost when it was measured last. Texts, tokens and
/// draws are the same every time, so that nothing but arithmetic can change a score: three points more than was measured fail, where one answer of the
/// hundred may flip.
/// </summary>
[Trait("Needs", "Minutes")]
[Collection(nameof(NeedleResults))]
public sealed class QualityGateTest(NeedleResults results, ITestOutputHelper output)
{
    internal static readonly AttentionPolicy[] Policies =
        [.. PolicyCatalog.Entries.Where(static entry => entry.Name != PairedDifference.Dense && entry.Needs is null && entry != EveryOther.Entry).Select(Sparse)];

    // Points of 100 over the five tasks together: half of three, so that a loss of three is found whichever way arithmetic leans.
    private const double Slack = 1.5;

    // What policies lose at their default options, but for short contexts, which they would attend densely; the others lose nothing.
    private static readonly Dictionary<string, double> Lost = new()
    {
        ["adakv"] = 25.7,
        ["alisa"] = 32.5,
        ["dbudgetkv"] = 1.0,
        ["had"] = 21.7,
        ["h2o"] = 31.5,
        ["kvmerger"] = 1.3,
        ["longformer"] = 47.3,
        ["oracle"] = 0.3,
        ["prefixkv"] = 57.3,
        ["pyramidkv"] = 24.3,
        ["snapkv"] = 26.7,
        ["sparse-transformer"] = 58.7,
        ["streaming"] = 54.5,
        ["topk"] = 6.7,
    };

    [Fact]
    public void NoPolicyLosesMoreThanWhenItWasMeasured()
    {
        var points = results.Points(NeedleResults.Tasks, Protocol.QuestionSparse, Policies);
        var failures = new List<string>();
        foreach (var point in points.OrderBy(static point => point.Policy, StringComparer.Ordinal))
        {
            var lost = -100 * (point.Difference?.Mean ?? 0);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{point.Policy}: score {point.Score:P1}, {lost:f1} lost, {point.KeysRead:P1} read"));
            if (point.Difference is not null && !(lost <= Lost.GetValueOrDefault(point.Family) + Slack))
                failures.Add($"{point.Policy} loses {lost:f1} points where it lost {Lost.GetValueOrDefault(point.Family):f1}");
        }

        Assert.True(failures.Count == 0, string.Join("; ", failures));
    }

    private static AttentionPolicy Sparse(PolicyEntry entry) =>
        PolicyCatalog.Parse(entry.Options.Any(static option => option.Name == "min-context") ? $"{entry.Name}:min-context=0" : entry.Name);
}
