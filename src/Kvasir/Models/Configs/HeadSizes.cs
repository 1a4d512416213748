namespace Kvasir.Models.Configs;

/// <summary>What layers with a window have otherwise than those that see all.</summary>
/// <param name="KvHeadCount">KV heads, of which the query heads are a multiple.</param>
/// <param name="Dim">Elements of a query, a key and a value.</param>
public readonly record struct HeadSizes(int KvHeadCount, int Dim);
