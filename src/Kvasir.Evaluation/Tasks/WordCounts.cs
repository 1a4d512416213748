namespace Kvasir.Evaluation.Tasks;

/// <summary>How often words come in a list of <see cref="CountedWordsTask"/>.</summary>
/// <param name="Often">Of the words that are asked for.</param>
/// <param name="Seldom">Of the others.</param>
internal readonly record struct WordCounts(int Often, int Seldom);
