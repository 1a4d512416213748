namespace Kvasir;

/// <summary>A token and the natural log of its probability.</summary>
public readonly record struct TokenLogprob(int Token, float Logprob);
