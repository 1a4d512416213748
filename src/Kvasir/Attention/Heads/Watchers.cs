using Kvasir.Attention.Observation;

namespace Kvasir.Attention.Heads;

/// <summary>Who is told what one position reads, beside its sum.</summary>
/// <param name="Observed">Keeps rows and weights for <see cref="Selector.Observe"/>; null when nobody wants them.</param>
/// <param name="Comparison">Keeps what an audit compares; null when the position is not audited.</param>
internal readonly record struct Watchers(ObservedWeights? Observed, DenseComparison? Comparison)
{
    public bool Any => Observed is not null || Comparison is not null;

    /// <summary>Begins a position.</summary>
    public void Begin()
    {
        Observed?.Clear();
        Comparison?.Begin();
    }
}
