namespace Kvasir.Evaluation.Tuning;

/// <summary>What a tuning is to find.</summary>
/// <param name="Target">The share of agreement, or of dense attention's score, that is to be kept: above 0, at most 1.</param>
/// <param name="Steps">Settings that are tried between two budgets of a policy's list.</param>
/// <param name="ByTime">Whether the least time a token is wanted, and not the fewest keys.</param>
public sealed record TuneOptions(double Target = 0.99, int Steps = 3, bool ByTime = false);
