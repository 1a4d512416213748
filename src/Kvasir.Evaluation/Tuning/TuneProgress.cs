namespace Kvasir.Evaluation.Tuning;

/// <summary>How far a tuning has come.</summary>
/// <param name="Policy">That is measured now.</param>
/// <param name="Settings">That were measured.</param>
/// <param name="MostSettings">That there may be in all.</param>
/// <param name="Samples">That were measured under this policy.</param>
/// <param name="SampleCount">That it will have.</param>
public sealed record TuneProgress(string Policy, int Settings, int MostSettings, int Samples, int SampleCount);
