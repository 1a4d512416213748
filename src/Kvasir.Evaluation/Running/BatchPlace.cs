namespace Kvasir.Evaluation.Running;

/// <summary>What the samples of a batch share.</summary>
/// <param name="Context">Tokens that were asked for.</param>
/// <param name="AuditShare">The share of sparse attention that is computed densely as well.</param>
internal sealed record BatchPlace(string Task, int Context, Protocol Protocol, double AuditShare);
