using Kvasir.Evaluation.Tuning;

namespace Kvasir.Cli.Tune;

/// <summary>What a tuning measured and found.</summary>
/// <param name="Measure">What is kept, in words.</param>
/// <param name="By">What the best has least of: keys or time.</param>
/// <param name="Partial">True where it was interrupted.</param>
/// <param name="Best">Null where nothing keeps the target.</param>
internal sealed record TuneReport(
    string Model, string Measure, double Target, string By, bool? Partial, TunedPoint Dense, IReadOnlyList<TunedPoint> Points, TunedPoint? Best);
