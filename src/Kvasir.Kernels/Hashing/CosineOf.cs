namespace Kvasir.Kernels.Hashing;

/// <summary>The cosine between a query and a key from which something was taken off: (score - offset) * factor / length of what is left of the key.</summary>
/// <param name="Offset">The score of what was taken off.</param>
/// <param name="Factor">One over the length of the query, as it was scaled for the score.</param>
public readonly record struct CosineOf(float Offset, float Factor);
