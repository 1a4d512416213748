using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Tuning;

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
