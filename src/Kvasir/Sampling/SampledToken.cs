namespace Kvasir.Sampling;

/// <summary>What a <see cref="Sampler"/> drew.</summary>
/// <param name="Token">The id.</param>
/// <param name="Logprob">Its log-probability under the model; NaN when not asked for.</param>
/// <param name="TopLogprobs">The most probable tokens, best first; null when not asked for.</param>
internal readonly record struct SampledToken(int Token, float Logprob, TokenLogprob[]? TopLogprobs);
