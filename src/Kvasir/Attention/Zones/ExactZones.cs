namespace Kvasir.Attention.Zones;

/// <summary>What every sparse policy reads whatever it thinks of the rows: see <see cref="SparsePolicy"/>.</summary>
/// <param name="Sinks">The first rows of a sequence, which collect the attention that nothing else deserves.</param>
/// <param name="Recent">The newest rows, the query's own included.</param>
/// <param name="DenseLayers">Layers that are read densely.</param>
/// <param name="MinContext">With fewer rows in sight than this, all are read: choosing would cost more than it saves.</param>
/// <param name="Seed">Of whatever is random.</param>
public sealed record ExactZones(int Sinks, int Recent, IReadOnlySet<int> DenseLayers, int MinContext, int Seed)
{
    /// <summary>The option that says from how many tokens in sight on a policy chooses; every sparse policy has it.</summary>
    public const string MinContextName = "min-context";

    /// <summary>The option that says in which layers everything is read.</summary>
    public const string DenseLayersName = "dense-layers";

    // Where policies are no slower than dense attention: measured with heads of 128 in groups of four, bf16.
    private const int DefaultMinContext = 4096;
    private const string SinksName = "sinks";
    private const string RecentName = "recent";
    private const string SeedName = "seed";

    /// <summary>The options of a policy, the common ones behind its own.</summary>
    public static IReadOnlyList<PolicyOption> Options(int sinks, int recent, string denseLayers, params PolicyOption[] own) =>
        Options(sinks, recent, denseLayers, DefaultMinContext, own);

    /// <inheritdoc cref="Options(int, int, string, PolicyOption[])"/>
    public static IReadOnlyList<PolicyOption> Options(int sinks, int recent, string denseLayers, int minContext, params PolicyOption[] own) =>
    [
        .. own ?? throw new ArgumentNullException(nameof(own)),
        PolicyOption.Whole(SinksName, sinks, 0, 65536, "first tokens that are always read"),
        PolicyOption.Whole(RecentName, recent, 1, 1 << 20, "newest tokens that are always read"),
        PolicyOption.Layers(DenseLayersName, denseLayers, "layers that read everything"),
        PolicyOption.Whole(MinContextName, minContext, 0, int.MaxValue, "tokens in sight below which everything is read"),
        PolicyOption.Whole(SeedName, 0, 0, int.MaxValue, "of what is random"),
    ];

    public static ExactZones Of(PolicySpec spec) => spec is null ? throw new ArgumentNullException(nameof(spec)) : new(
        spec.Whole(SinksName), spec.Whole(RecentName), spec.Layers(DenseLayersName), spec.Whole(MinContextName), spec.Whole(SeedName));

    /// <summary>The rows between the zones, of those in sight of a query; none if all are to be read.</summary>
    public (int First, int End) Middle(in HeadQuery query)
    {
        var (first, end) = Middle(query.FirstPosition, query.EndPosition);
        return (query.Head.RowAt(first), query.Head.RowAt(end));
    }

    /// <summary>The positions between the zones, of those in [<paramref name="first"/>, <paramref name="end"/>); none if all are to be read.</summary>
    public (int First, int End) Middle(int first, int end)
    {
        var middle = (First: Math.Max(first, Sinks), End: end - Recent);
        return end - first < MinContext || middle.First >= middle.End ? (end, end) : middle;
    }
}
