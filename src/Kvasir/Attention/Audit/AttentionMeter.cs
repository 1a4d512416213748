using System.Diagnostics.Metrics;
using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Audit;

/// <summary>
/// Audits of the process's engines as metrics, a measurement for each audited query head, tagged with the policy. Costs a look at a field where nobody listens.
/// There is one for all: whoever listens would lose the sums of a meter that goes with its engine, and sums only grow.
/// </summary>
internal sealed class AttentionMeter
{
    /// <summary>Of the meter.</summary>
    public const string Name = "Kvasir.Engine";

    /// <summary>Relative error of the output.</summary>
    public const string ErrorName = "kvasir.attention.audit.error";

    /// <summary>Share of dense attention's weight on the rows that were read.</summary>
    public const string MassName = "kvasir.attention.mass.recall";

    /// <summary>Rows used of those in sight.</summary>
    public const string SelectedName = "kvasir.attention.selected.fraction";

    private const string PolicyTag = "policy";
    private static readonly Meter Own = new(Name);
    private readonly Histogram<double> _errors;
    private readonly Histogram<double> _masses;
    private readonly Histogram<double> _selected;

    /// <summary>The process's.</summary>
    public static AttentionMeter Shared { get; } = new();

    private AttentionMeter()
    {
        _errors = Shares(ErrorName, "Relative error of audited attention outputs", [0.0001, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]);
        _masses = Shares(MassName, "Dense attention's weight on the rows that were read", [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1]);
        _selected = Shares(SelectedName, "Rows read of those in sight", [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]);
    }

    public void Record(in ComparedHead comparison, string policy)
    {
        if (!_errors.Enabled && !_masses.Enabled && !_selected.Enabled)
            return;
        var tag = new KeyValuePair<string, object?>(PolicyTag, policy);
        for (var head = 0; head < comparison.Errors.Length; head++)
        {
            _errors.Record(comparison.Errors[head], tag);
            _masses.Record(comparison.Masses[head], tag);
            _selected.Record((double)comparison.RowsUsed[head] / comparison.RowsInSight, tag);
        }
    }

    private static Histogram<double> Shares(string name, string description, double[] boundaries) =>
        Own.CreateHistogram(name, unit: "1", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = boundaries });
}
