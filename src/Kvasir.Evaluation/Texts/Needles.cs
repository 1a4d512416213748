namespace Kvasir.Evaluation.Texts;

/// <summary>Puts needles between the sentences of a text.</summary>
internal static class Needles
{
    // RULER's grid of depths.
    private const int Depths = 40;

    /// <summary>Different depths in a text, 0 for its beginning and 1 for its end, in random order.</summary>
    public static double[] DrawDepths(Dice dice, int count) => [.. dice.Draw([.. Enumerable.Range(0, Depths)], count).Select(depth => depth / (Depths - 1.0))];

    /// <summary>The text with each needle at its depth.</summary>
    public static string Hide(List<string> sentences, IReadOnlyList<string> needles, IReadOnlyList<double> depths)
    {
        var count = sentences.Count;
        foreach (var i in Enumerable.Range(0, needles.Count).OrderByDescending(i => depths[i]))
            sentences.Insert((int)(depths[i] * count), needles[i]);
        return string.Join(' ', sentences);
    }
}
