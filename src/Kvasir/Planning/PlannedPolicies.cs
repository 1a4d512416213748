using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Planning;

/// <summary>
/// Policies that a plan considers, from those that lose least to those that lose most. What they lose is docs/choosing-a-policy.md's: points of 99.3 on five
/// tasks whose questions come after the context.
/// </summary>
internal static class PlannedPolicies
{
    private static readonly (string Text, double LostPoints)[] Texts =
    [
        ("dense", 0),
        ("guarded", 0),
        ("quest:share=0.1,page=32", 0),
        ("quest:share=0.05,page=32", 0),
        ("psa:most=0.08", 0),
        ("quest:share=0.02,page=32", 0),
        ("snapkv", 21.7),
        ("h2o", 25.7),
        ("streaming", 58.3),
    ];

    /// <summary>In order.</summary>
    public static IReadOnlyList<PlannedPolicy> All { get; } =
        [.. Texts.Select(static (text, rank) => new PlannedPolicy(PolicyCatalog.Spec(text.Text), text.LostPoints, rank))];

    /// <summary>How others place what memory does not hold, with what they attend by. What ALISA loses is what its defaults do.</summary>
    public static IReadOnlyList<PlannedPolicy> Placements { get; } =
    [
        new(PolicyCatalog.Spec("dense"), 0, 0) { Eviction = PageEviction.FlexGen },
        new(PolicyCatalog.Spec("dense"), 0, 0) { Eviction = PageEviction.Vllm },
        new(PolicyCatalog.Spec("alisa:scoring=literal"), 32.3, 0) { Eviction = PageEviction.Alisa },
    ];

    /// <summary>Those whose speed says that of all: others drop rows and are dense to what is left, or read another share.</summary>
    public static IReadOnlyList<PolicySpec> Measured { get; } =
        [.. new[] { "dense", "guarded", "quest:share=0.05,page=32", "psa:most=0.08" }.Select(PolicyCatalog.Spec)];
}

/// <param name="LostPoints">By the evidence; of those that lose nothing there, others may lose more elsewhere the later they stand.</param>
/// <param name="Rank">Its place in the list.</param>
internal sealed record PlannedPolicy(PolicySpec Spec, double LostPoints, int Rank)
{
    public AttentionPolicy Policy { get; } = Spec.Create();

    /// <summary>What leaves memory first where it does not hold all.</summary>
    public PageEviction Eviction { get; init; }
}

/// <summary>How a plan may store rows, from the most exact on; kivi2 loses 11 points of 99 there, and is left to whoever asks for it.</summary>
internal static class PlannedFormats
{
    public static IReadOnlyList<KvFormat> All { get; } = [KvFormat.BF16, KvFormat.Q8, KvFormat.Int8, KvFormat.Kivi4];

    /// <summary>Those of them that store rows one by one.</summary>
    public static IReadOnlyList<KvFormat> Rows { get; } = [KvFormat.BF16, KvFormat.Q8];
}
