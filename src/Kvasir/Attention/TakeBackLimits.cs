namespace Kvasir.Attention;

/// <summary>How far generated rows may be taken back by <see cref="Selector.Truncate"/>; none by default, so that nobody keeps anything for it.</summary>
/// <param name="Steps">The most rows that are taken back at a time.</param>
/// <param name="Marks">The newest numbers of rows, given to <see cref="Selector.Mark"/>, that it may come back to.</param>
public readonly record struct TakeBackLimits(int Steps, int Marks);
