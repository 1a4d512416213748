namespace Kvasir.Attention;

/// <summary>
/// A row of <see cref="Kvasir.Attention.Policies.PolicyCatalog"/>: everything that the command line, the library and the tests need to know of a policy.
/// </summary>
/// <param name="Name">The name that is typed after <c>--attention</c>: letters, digits and hyphens.</param>
/// <param name="Summary">One line for a list.</param>
/// <param name="Paper">Where it comes from.</param>
/// <param name="KeepEverything">The text that makes it equal to dense; the conformance test walks the table with it.</param>
/// <param name="Create">Makes the policy from its options.</param>
/// <param name="Options">What it may be told.</param>
public sealed record PolicyEntry(
    string Name, string Summary, string Paper, string KeepEverything, Func<PolicySpec, AttentionPolicy> Create, IReadOnlyList<PolicyOption> Options)
{
    /// <summary>What must be there before the policy can be used, beside keys, queries and attention weights; null for nothing.</summary>
    public string? Needs { get; init; }

    /// <summary>What becomes of rows that are not read, or not as they were.</summary>
    public PolicyEffect Effect { get; init; }

    /// <summary>Budgets from few keys read to many: the points of a curve of quality against keys. Empty for a policy that reads everything.</summary>
    public IReadOnlyList<PolicyBudget> Budgets { get; init; } = [];
}

/// <summary>What a policy does to the rows of a sequence.</summary>
public enum PolicyEffect
{
    /// <summary>Selects which are read: all stay as they are.</summary>
    Select,

    /// <summary>Drops those that will not be read again.</summary>
    Drop,

    /// <summary>Merges some into others.</summary>
    Merge,

    /// <summary>Stores them otherwise, and reads all.</summary>
    Store,
}
