using Kvasir.Attention.Marks;
using Kvasir.Attention.Zones;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// A policy that gives rows up once, when a prompt is over, by what the last rows of the prompt read: they are dropped, and their memory is freed. Rows that
/// come later stay. The heads of a sequence decide together, so that one may keep what another gives up. A prompt that is read whole when it is over, being
/// shorter than <c>min-context</c>, keeps its rows for good.
/// </summary>
public abstract class PromptDropping(PolicySpec spec) : SparsePolicy(spec)
{
    /// <summary>The option of what is kept, of the prompt's tokens; every such policy with a budget has it.</summary>
    protected const string ShareName = "share";

    private const string ObservedName = "observed";

    /// <summary>Rows kept of a prompt, the zones among them; all of them where no budget says so.</summary>
    internal float Share { get; } = spec.Takes(ShareName) ? spec.Real(ShareName) : 1;

    /// <summary>Whether <see cref="PromptHead.Square"/> is asked for.</summary>
    internal virtual ObservedSquares Squares => ObservedSquares.None;

    public sealed override int ObservedPromptRows { get; } = spec.Whole(ObservedName);

    public sealed override bool DropsRows => true;

    public sealed override double IndexBytesPerToken(int dim) => sizeof(float);

    public sealed override object CreateTogether() => new PromptHeads(this);

    /// <summary>Budgets for a table.</summary>
    internal static IReadOnlyList<PolicyBudget> Shares => PolicyBudget.Of(ShareName, 0.025, 0.05, 0.1, 0.25, 0.5);

    /// <summary>The options of such a policy, the common ones behind its own.</summary>
    /// <param name="observed">Last rows of a prompt whose attention decides, by default.</param>
    internal static IReadOnlyList<PolicyOption> Options(int sinks, int recent, int observed, params PolicyOption[] own) => ExactZones.Options(
        sinks, recent, "none",
        [
            PolicyOption.Real(ShareName, 0.1, 0, 1, "tokens kept, of the prompt's, in the mean over layers and heads"),
            Observed(observed),
            .. own,
        ]);

    /// <summary>The same of a policy that finds by itself how much it keeps.</summary>
    internal static IReadOnlyList<PolicyOption> OptionsWithoutShare(int sinks, int recent, int observed, params PolicyOption[] own) =>
        ExactZones.Options(sinks, recent, "none", [.. own, Observed(observed)]);

    /// <summary>
    /// Says of every head, by <see cref="PromptHead.Kept"/>, how many of its rows between the zones it keeps; and may change their scores before.
    /// </summary>
    /// <param name="heads">All that have observed the prompt: of a sequence, or of as many layers as there are where somebody looks at few.</param>
    internal abstract void Decide(PromptHeads heads);

    /// <summary>Rows between the zones that the heads of a layer keep, in the mean, or are likely to; 0 or less for none.</summary>
    /// <param name="middleRows">How many lie there.</param>
    /// <param name="mean">What they keep in the mean over all layers.</param>
    protected virtual int Kept((int Layer, int LayerCount) place, int middleRows, int mean) => mean;

    /// <summary>Rows between the zones that a head keeps in the mean: not below 0, and not more than there are.</summary>
    internal int MeanKept((int First, int End) middle, int promptRows)
    {
        var zones = promptRows - (middle.End - middle.First);
        return Math.Clamp((int)MathF.Ceiling(Share * promptRows) - zones, 0, middle.End - middle.First);
    }

    /// <summary>The same in a layer, whole and in bounds.</summary>
    internal int KeptIn((int Layer, int LayerCount) place, (int First, int End) middle, int promptRows) =>
        Math.Clamp(Kept(place, middle.End - middle.First, MeanKept(middle, promptRows)), 0, middle.End - middle.First);

    protected sealed override int RowsDropped((int Layer, int LayerCount) place, (int First, int End) middle, int promptRows)
    {
        // Of the first generated token's zones, whose own row is no prompt's.
        var rows = middle.End - Math.Max(middle.First, 0);
        return rows - KeptIn(place, middle, promptRows);
    }

    protected sealed override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) =>
        MarkedSums.BytesFor(rows, marks: 0) + (Squares == ObservedSquares.None ? 0 : SquaredWeights.BytesFor(place, rows));

    protected sealed override ZonedSelector CreateSparse(HeadPlace place) => ((PromptHeads?)place.Together ?? new PromptHeads(this)).Add(Zones, place);

    private static PolicyOption Observed(int rows) => PolicyOption.Whole(ObservedName, rows, 1, 4096, "last prompt tokens whose attention decides");
}
