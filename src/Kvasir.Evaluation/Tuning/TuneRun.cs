using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Evaluation.Tuning;

/// <summary>Looks for the cheapest setting of any policy that keeps a target on the samples of a plan.</summary>
public sealed class TuneRun : IDisposable
{
    private readonly EvaluationRun _run;
    private readonly IReadOnlyList<AttentionPolicy> _policies;
    private readonly TuneOptions _options;
    private readonly int _sampleCount;
    private readonly int _mostSettings;
    private readonly Dictionary<string, TunedPoint> _measured = [];
    private readonly List<TunedPoint> _points = [];
    private List<EvaluatedSample> _dense = [];
    private volatile TuneProgress? _progress;

    /// <param name="model">Must outlive the run.</param>
    /// <param name="plan">Of one length and protocol; its policies are those whose budgets are searched.</param>
    /// <exception cref="KvasirException">As the constructor of <see cref="EvaluationRun"/>; or the target is out of its range.</exception>
    public TuneRun(Model model, EvaluationPlan plan, TuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(options);
        if (options is not { Target: > 0 and <= 1, Steps: >= 0 and <= 20 })
            throw new KvasirException(
                KvasirError.BadOption, $"a target of {options.Target} is not above 0 and at most 1, or {options.Steps} steps are not 0 to 20");
        (_options, _policies) = (options, [.. plan.Compared.Skip(1)]);
        _sampleCount = plan.Contexts.Count * plan.Protocols.Count * plan.Tasks.Sum(plan.SamplesOf);
        _mostSettings = 1 + _policies.Sum(policy => policy.Spec.Entry.Budgets.Count is var count and > 0 ? count + options.Steps : 1);
        _run = new EvaluationRun(model, plan);
    }

    /// <summary>From any thread; null before the first sample.</summary>
    public TuneProgress? Progress => _progress;

    /// <summary>Dense attention; null before it was measured.</summary>
    public TunedPoint? Dense { get; private set; }

    /// <summary>Every setting that was measured so far, policy by policy, from few keys to many.</summary>
    public IReadOnlyList<TunedPoint> Points =>
        [.. _points.GroupBy(static point => PolicySpec.Family(point.Policy)).SelectMany(static group => group.OrderBy(static point => point.KeysRead))];

    /// <summary>The cheapest of those that keep the target and do not read everything; null where there is none.</summary>
    public TunedPoint? Best =>
        _points.Where(point => point.Kept >= _options.Target && point.KeysRead < 1)
            .MinBy(point => _options.ByTime ? point.MsPerToken ?? double.MaxValue : point.KeysRead);

    /// <summary>Measures. What was measured before a cancellation stays.</summary>
    /// <exception cref="KvasirException">Dense attention itself scores nothing.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Run(CancellationToken cancellation = default)
    {
        _run.WarmUp(cancellation);
        _dense = Samples(PolicyCatalog.Dense, cancellation);
        if (_dense.Average(static sample => sample.Score) == 0)
            throw new KvasirException(KvasirError.BadOption, $"dense attention scores 0 on all of these {_dense.Count} samples, so that nothing could be kept");
        Dense = TunedPoint.Of(_dense, _dense) with { Low = null, High = null };
        var search = new BudgetSearch(_options.Target, _options.Steps);
        foreach (var policy in _policies)
        {
            var budgets = policy.Spec.Entry.Budgets;
            if (budgets.Count == 0)
                Measure(policy, cancellation);
            else
                search.Find(budgets, budget => Measure(policy.Spec.With(budget).Create(), cancellation).Kept);
        }
    }

    public void Dispose() => _run.Dispose();

    private TunedPoint Measure(AttentionPolicy policy, CancellationToken cancellation)
    {
        if (_measured.TryGetValue(policy.Name, out var known))
            return known;
        var point = TunedPoint.Of(Samples(policy, cancellation), _dense);
        _points.Add(point);
        return _measured[policy.Name] = point;
    }

    private List<EvaluatedSample> Samples(AttentionPolicy policy, CancellationToken cancellation)
    {
        var progress = new TuneProgress(policy.Name, Dense is null ? 0 : _points.Count + 1, _mostSettings, 0, _sampleCount);
        _progress = progress;
        var samples = new List<EvaluatedSample>();
        foreach (var sample in _run.Run(policy, cancellation))
        {
            samples.Add(sample);
            _progress = progress with { Samples = samples.Count };
        }

        return samples;
    }
}

/// <summary>How far a tuning has come.</summary>
/// <param name="Policy">That is measured now.</param>
/// <param name="Settings">That were measured.</param>
/// <param name="MostSettings">That there may be in all.</param>
/// <param name="Samples">That were measured under this policy.</param>
/// <param name="SampleCount">That it will have.</param>
public sealed record TuneProgress(string Policy, int Settings, int MostSettings, int Samples, int SampleCount);

/// <summary>What a tuning is to find.</summary>
/// <param name="Target">The share of agreement, or of dense attention's score, that is to be kept: above 0, at most 1.</param>
/// <param name="Steps">Settings that are tried between two budgets of a policy's list.</param>
/// <param name="ByTime">Whether the least time a token is wanted, and not the fewest keys.</param>
public sealed record TuneOptions(double Target = 0.99, int Steps = 3, bool ByTime = false);

/// <summary>One setting of a policy, measured on all samples.</summary>
/// <param name="Policy">With its options, as typed.</param>
/// <param name="Kept">Of dense attention's score, as a share: where the score is agreement, the agreement.</param>
/// <param name="Low">Lower end of its 95% confidence interval over samples; null where there is none, as is <paramref name="High"/>.</param>
/// <param name="KeysRead">As a share.</param>
/// <param name="MsPerToken">Milliseconds under the policy; null where there was no token.</param>
public sealed record TunedPoint(string Policy, double Kept, double? Low, double? High, double KeysRead, double? MsPerToken)
{
    /// <param name="samples">Of one policy.</param>
    /// <param name="dense">The same samples under dense attention, in the same order, of a mean score above 0.</param>
    public static TunedPoint Of(IReadOnlyList<EvaluatedSample> samples, IReadOnlyList<EvaluatedSample> dense)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(dense);
        var (whole, tokens) = (dense.Average(static sample => sample.Score), samples.Sum(static sample => (double)sample.DecodedTokens));
        var difference = PairedDifference.Of([.. samples.Zip(dense, static (sample, reference) => sample.Score - reference.Score)])!.Value;
        // Nothing is better than dense attention where that is always right, whatever Student says of few samples.
        var most = whole < 1 ? double.MaxValue : 1;
        double? Bound(double? end) => end is { } value ? Math.Clamp(1 + (value / whole), 0, most) : null;
        return new TunedPoint(
            samples[0].Policy, 1 + (difference.Mean / whole), Bound(difference.Low), Bound(difference.High), samples.Average(static sample => sample.KeysRead),
            tokens == 0 ? null : samples.Sum(static sample => sample.DecodeMs) / tokens);
    }
}
