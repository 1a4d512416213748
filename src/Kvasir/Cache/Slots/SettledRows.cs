namespace Kvasir.Cache.Slots;

/// <summary>What a policy goes on reading of so many rows from one step to the next.</summary>
/// <param name="Newest">The newest rows, all of them.</param>
/// <param name="Scattered">Rows before them, one by one, of which few change in a step.</param>
public readonly record struct SettledRows(int Newest, int Scattered);
