namespace Kvasir.Attention;

/// <summary>A row of <see cref="PolicyCatalog"/>.</summary>
/// <param name="Name">As typed after <c>--attention</c>.</param>
/// <param name="Summary">One line for a list.</param>
/// <param name="Paper">Where it comes from.</param>
/// <param name="KeepEverything">The text that makes it equal to dense; the conformance test walks the table with it.</param>
/// <param name="Create">Makes the policy from its options.</param>
/// <param name="Options">What it may be told.</param>
public sealed record PolicyEntry(
    string Name, string Summary, string Paper, string KeepEverything, Func<PolicyValues, AttentionPolicy> Create, IReadOnlyList<PolicyOption> Options)
{
    /// <summary>What must be there before the policy can be used, beside keys, queries and attention weights; null for nothing.</summary>
    public string? Needs { get; init; }

    /// <summary>Options, as typed, from few keys read to many: the points of a curve of quality against keys. Empty for a policy that reads everything.</summary>
    public IReadOnlyList<string> Budgets { get; init; } = [];

    /// <summary>A policy at each of <see cref="Budgets"/>, otherwise as it is; the policy alone where there are none.</summary>
    /// <param name="policy">One of this entry.</param>
    public IReadOnlyList<AttentionPolicy> Sweep(AttentionPolicy policy) => Budgets.Count == 0 ? [policy] : [.. Budgets.Select(budget => At(policy, budget))];

    /// <summary>A policy at one budget, otherwise as it is.</summary>
    /// <param name="policy">One of this entry.</param>
    /// <param name="budget">Options as in <see cref="Budgets"/>.</param>
    /// <exception cref="KvasirException">An option is unknown, or its value out of range.</exception>
    public AttentionPolicy At(AttentionPolicy policy, string budget)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(budget);
        string[] kept = policy.Name.Contains(':', StringComparison.Ordinal) ? policy.Name[(policy.Name.IndexOf(':', StringComparison.Ordinal) + 1)..].Split(',') : [];
        return PolicyCatalog.Parse($"{Name}:{string.Join(',', kept.Where(option => !Sets(budget, option)).Append(budget))}");
    }

    // Whether a budget gives a value to the option of "key=value".
    private static bool Sets(string budget, string option) =>
        budget.Split(',').Any(part => part.AsSpan(0, part.IndexOf('=', StringComparison.Ordinal) + 1).SequenceEqual(option.AsSpan(0, option.IndexOf('=', StringComparison.Ordinal) + 1)));
}
