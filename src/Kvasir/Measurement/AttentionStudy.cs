namespace Kvasir.Measurement;

/// <summary>What policies would have read of one prompt, and what that would have lost.</summary>
/// <param name="Tokens">Of the prompt.</param>
/// <param name="QueryCount">Last positions that were attended by every policy; all before them were its prompt.</param>
/// <param name="Policies">In the order in which they were asked for.</param>
/// <param name="Curves">How attention mass is spread over keys.</param>
public sealed record AttentionStudy(int Tokens, int QueryCount, IReadOnlyList<PolicyStudy> Policies, MassCurves Curves);
