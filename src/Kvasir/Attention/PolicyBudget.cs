using System.Globalization;

namespace Kvasir.Attention;

/// <summary>One or more options of a policy that say how many keys it reads, and their numbers: "share=0.02", or "heavy=0.05,newest=0.05".</summary>
public sealed class PolicyBudget
{
    private PolicyBudget(IReadOnlyList<PolicySetting> settings) => Settings = settings;

    /// <summary>The options in the order in which they are printed, at least one.</summary>
    public IReadOnlyList<PolicySetting> Settings { get; }

    /// <summary>Budgets of a single option.</summary>
    /// <param name="values">From few keys read to many, each above 0. Whole numbers are those of an option that takes whole numbers.</param>
    public static IReadOnlyList<PolicyBudget> Of(string name, params ReadOnlySpan<double> values)
    {
        var budgets = new PolicyBudget[values.Length];
        for (var i = 0; i < values.Length; i++)
            budgets[i] = new PolicyBudget([new PolicySetting(name, values[i])]);
        return budgets;
    }

    /// <summary>Budgets of two options that grow together.</summary>
    /// <param name="values">From few keys read to many, each above 0.</param>
    public static IReadOnlyList<PolicyBudget> Of(string first, string second, params ReadOnlySpan<(double First, double Second)> values)
    {
        var budgets = new PolicyBudget[values.Length];
        for (var i = 0; i < values.Length; i++)
            budgets[i] = new PolicyBudget([new PolicySetting(first, values[i].First), new PolicySetting(second, values[i].Second)]);
        return budgets;
    }

    /// <summary>
    /// Every option halfway between two budgets, by its geometric mean: budgets are spaced by factors. Numbers that are whole in both stay whole. Null where
    /// nothing lies between, or the budgets are of different options.
    /// </summary>
    public static PolicyBudget? Between(PolicyBudget few, PolicyBudget many)
    {
        ArgumentNullException.ThrowIfNull(few);
        ArgumentNullException.ThrowIfNull(many);
        if (!few.Settings.Select(static setting => setting.Name).SequenceEqual(many.Settings.Select(static setting => setting.Name)))
            return null;
        var between = new PolicyBudget([.. few.Settings.Zip(many.Settings, Halfway)]);
        return between.ToString() == few.ToString() || between.ToString() == many.ToString() ? null : between;
    }

    public override string ToString() => string.Join(',', Settings.Select(static setting => $"{setting.Name}={setting.Text}"));

    private static PolicySetting Halfway(PolicySetting few, PolicySetting many)
    {
        if (few.Value == many.Value)
            return few;
        var mean = Math.Sqrt(few.Value * many.Value);
        var isWhole = double.IsInteger(few.Value) && double.IsInteger(many.Value);
        return few with { Value = isWhole ? Math.Round(mean) : double.Parse(mean.ToString("G3", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) };
    }
}

/// <summary>An option of a policy with a number.</summary>
/// <param name="Value">Above 0.</param>
public readonly record struct PolicySetting(string Name, double Value)
{
    /// <summary>The number as it is typed.</summary>
    public string Text => Value.ToString(CultureInfo.InvariantCulture);
}
