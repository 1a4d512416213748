namespace Kvasir.Evaluation.Running;

/// <summary>What the samples of a batch share.</summary>
/// <param name="Context">Tokens that were asked for.</param>
/// <param name="AuditShare">The share of sparse attention that is computed densely as well.</param>
/// <param name="OwnTokens">Of each prompt, so many tokens at least are computed under every policy anew: as many as one of them observes.</param>
internal sealed record BatchPlace(string Task, int Context, double AuditShare, int OwnTokens);
