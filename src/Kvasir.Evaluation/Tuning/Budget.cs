using System.Globalization;

namespace Kvasir.Evaluation.Tuning;

/// <summary>Budgets as texts such as "share=0.02" or "heavy=0.05,newest=0.05", and what lies between two of them.</summary>
public static class Budget
{
    /// <summary>
    /// Every option halfway, by its geometric mean: budgets are spaced by factors. Whole numbers stay whole. Null where nothing lies between, or the texts do
    /// not set the same options to positive numbers.
    /// </summary>
    public static string? Between(string few, string many)
    {
        ArgumentNullException.ThrowIfNull(few);
        ArgumentNullException.ThrowIfNull(many);
        var (ones, others) = (few.Split(','), many.Split(','));
        if (ones.Length != others.Length)
            return null;
        string?[] between = [.. ones.Zip(others, Option)];
        var text = string.Join(',', between);
        return between.Contains(null) || text == few || text == many ? null : text;
    }

    private static string? Option(string one, string other)
    {
        var (first, second) = (one.Split('='), other.Split('='));
        if (first is not [var name, var few] || second is not [var same, var many] || name != same)
            return null;
        if (few == many)
            return one;
        if (!TryNumber(few, out var low) || !TryNumber(many, out var high))
            return null;
        var isWhole = int.TryParse(few, NumberStyles.None, CultureInfo.InvariantCulture, out _) && int.TryParse(many, NumberStyles.None, CultureInfo.InvariantCulture, out _);
        var mean = Math.Sqrt(low * high);
        return $"{name}={(isWhole ? Math.Round(mean) : double.Parse(mean.ToString("G3", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture)}";
    }

    private static bool TryNumber(string text, out double value) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && value > 0;
}
