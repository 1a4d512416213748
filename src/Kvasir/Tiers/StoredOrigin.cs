namespace Kvasir.Tiers;

/// <summary>What a store has of one origin.</summary>
/// <param name="Origin">Model and format, for people.</param>
/// <param name="Chains">Ways on which rows part: conversations, as a rule.</param>
/// <param name="Tokens">Each counted once however many chains begin with it.</param>
/// <param name="Bytes">Of the disk.</param>
/// <param name="UsedAt">When one was read or written last.</param>
public sealed record StoredOrigin(string Origin, int Chains, long Tokens, long Bytes, DateTimeOffset UsedAt);
