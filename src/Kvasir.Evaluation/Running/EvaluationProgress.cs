namespace Kvasir.Evaluation.Running;

/// <summary>How far a run has come, and what it is doing now.</summary>
/// <param name="Context">Tokens.</param>
/// <param name="Policy">Null while samples are made and what their prompts have in common is computed.</param>
/// <param name="PromptShare">How much of that is computed, from 0 to 1.</param>
/// <param name="Done">Results there are, those of earlier runs among them.</param>
/// <param name="Total">Results that there will be.</param>
/// <param name="Left">How long the rest will take at the speed so far; null as long as nobody can know.</param>
public sealed record EvaluationProgress(string Task, int Context, Protocol Protocol, string? Policy, double PromptShare, int Done, int Total, TimeSpan? Left);
