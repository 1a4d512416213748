namespace Kvasir;

/// <summary>A piece of an answer as it streams.</summary>
/// <param name="Token">The token's id; -1 for text that was held back to the end in case it began a stop string or a character.</param>
/// <param name="Text">The text that became certain with this token: whole characters, often one token late, possibly empty.</param>
/// <param name="Logprob">The natural log of the token's probability before temperature and filters; NaN unless asked for.</param>
/// <param name="TopLogprobs">The most probable tokens at this place, best first; empty unless asked for.</param>
public readonly record struct GeneratedToken(int Token, string Text, float Logprob, IReadOnlyList<TokenLogprob> TopLogprobs);
