using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Planning;

namespace Kvasir.Cli.Plan;

/// <summary>A <see cref="TierPlan"/> for people: how long a context fits, how fast, and what to buy.</summary>
internal static class PlanTable
{
    private const string None = "-";

    private static readonly string[] Titles =
        ["", "way", "keys and values", "tok/s", "first token", "memory", "disk", "pages/step", "read/step", "longest context", "loses"];

    public static void Write(TierPlan plan, ModelSizes model, IReadOnlyList<Purchase> purchases, TextWriter output)
    {
        var (chosen, shown) = (plan.Chosen, Shown(plan));
        output.WriteLine(
            $"{Printable.Line(plan.Model)}: {plan.Batch} x {SizeText.Count(plan.ContextTokens)} tokens in {SizeText.Bytes(plan.MemoryBytes)} of memory"
            + (plan.DiskBytes > 0 ? $" and {SizeText.Bytes(plan.DiskBytes)} of {(plan.Machine.Store is null ? "disk, and there is none" : "disk")}" : ""));
        output.WriteLine($"{Printable.Line(plan.Machine.Name)}, {Printable.Line(plan.Machine.Source)}{Disk(plan)}");
        output.WriteLine();
        new TextSections(output).Write(
            "ways that fit, the most exact first",
            [
                Titles,
                .. shown.Select(Row),
            ]);
        if (shown.Length < plan.Ways.Count)
            output.WriteLine($"  {plan.Ways.Count - shown.Length} more, neither the most exact nor the fastest of their policy, are in --json");
        output.WriteLine();
        if (plan.Others.Count > 0)
        {
            new TextSections(output).Write("by placements of others (--kv-evict)", [Titles, .. plan.Others.Select(Row)]);
            output.WriteLine();
        }

        output.WriteLine($"* chosen by --target {ReportJson.Name(plan.Target)}: {chosen.Attention} with --kv {chosen.Kv}{Where(plan)}. {Step(chosen)}");
        output.WriteLine($"memory: {Memory(chosen.Memory)}");
        foreach (var purchase in purchases)
            output.WriteLine($"with {purchase.What} {Changed(chosen, purchase.Way)}");
        if (plan.ContextTokens > model.Config.ContextTokens)
            output.WriteLine($"past the {SizeText.Count(model.Config.ContextTokens)} tokens that the model was made for, its text may be nonsense");
    }

    /// <summary>As 0.12, 8.3, 240.</summary>
    public static string Rate(double value) => value switch
    {
        < 0.995 => value.ToString("0.00", CultureInfo.InvariantCulture),
        < 99.5 => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("N0", CultureInfo.InvariantCulture),
    };

    // Of each policy the most exact way, and the fastest where that is another.
    private static PlannedWay[] Shown(TierPlan plan) =>
    [
        .. from way in plan.Ways
           let others = plan.Ways.Where(other => other.Attention == way.Attention).ToArray()
           where way.IsChosen || way == others[0] || way == others.MaxBy(static other => other.TokensPerSecond)
           select way,
    ];

    private static string[] Row(PlannedWay way) =>
    [
        way.IsChosen ? "*" : "",
        way.KvEviction == PageEviction.Counted ? way.Attention : $"{EngineFlags.NameOf(way.KvEviction)}: {way.Attention}",
        way.Kv + (way.OnFile ? ", on disk" : ""),
        Rate(way.TokensPerSecond),
        SpeedText.Duration(TimeSpan.FromSeconds(Math.Min(way.FirstTokenSeconds, 1e9))),
        SizeText.Bytes(way.Memory.Total),
        way.DiskBytes > 0 ? SizeText.Bytes(way.DiskBytes) : None,
        SizeText.Count(way.PagesPerStep),
        Reads(way),
        SizeText.Count(way.LongestContext),
        way.LostPoints == 0 ? "nothing known" : FormattableString.Invariant($"{way.LostPoints:0} points of 99"),
    ];

    private static string Reads(PlannedWay way)
    {
        var pages = way.OnFile ? $"{SizeText.Count(way.PagesReadPerStep)} ({SizeText.Bytes(way.BytesReadPerStep)})" : None;
        return way.WeightBytesReadPerStep == 0 ? pages : $"{(way.OnFile ? $"{pages} + " : "")}{SizeText.Bytes(way.WeightBytesReadPerStep)} of weights";
    }

    private static string Disk(TierPlan plan) =>
        (plan.DiskBytes > 0 || plan.Ways.Any(static way => way.WeightsMemoryBytes > 0)) && plan.Machine.Store is { } store
        ? $"; {Printable.Line(store.What)}: {SizeText.Count((long)store.ReadsPerSecond)} reads/s"
            + (store.WorstReadsPerSecond > 0 ? $" (at worst {SizeText.Count((long)store.WorstReadsPerSecond)})" : "")
            + $", {SizeText.Bytes((long)store.BytesPerSecond)}/s"
        : "";

    private static string Where(TierPlan plan) =>
        (plan.Chosen.OnFile ? $", {SizeText.Bytes(plan.Chosen.KvMemoryBytes)} of keys and values in memory and all of them on disk"
                + (plan.Chosen.KvAhead == PageAhead.Off ? ", none of them read ahead (--kv-ahead off)" : "")
            : plan.Chosen.WeightsMemoryBytes > 0 ? ", keys and values in memory"
            : ", all in memory")
        + (plan.Chosen.WeightsMemoryBytes > 0
            ? $", {SizeText.Bytes(plan.Chosen.WeightBytesReadPerStep)} of weights read at each step (--weights-memory {plan.Chosen.WeightsMemoryBytes})"
            : "");

    private static string Step(PlannedWay way)
    {
        var total = way.StepMs;
        return $"A step takes {SpeedText.Duration(TimeSpan.FromMilliseconds(total))}: matrices {Share(way.LinearMs)}, attention {Share(way.AttentionMs)}, "
            + $"reading {Share(way.ReadMs)}, the rest {Share(way.OtherMs)}";

        string Share(double ms) => $"{Math.Round(100 * ms / total).ToString(CultureInfo.InvariantCulture)}%";
    }

    private static string Memory(PlannedMemory memory) =>
        $"weights {SizeText.Bytes(memory.Weights)}, keys, values and indexes {SizeText.Bytes(memory.KeysAndValues)}, scratch {SizeText.Bytes(memory.Scratch)}, "
        + $"tables {SizeText.Bytes(memory.Tables)}, the program {SizeText.Bytes(memory.Runtime)}";

    private static string Changed(PlannedWay chosen, PlannedWay? way)
    {
        if (way is null)
            return "nothing fits";
        var isAlike = way.ToString() == chosen.ToString() && way.OnFile == chosen.OnFile;
        return $"{Rate(way.TokensPerSecond)} tok/s ({Rate(way.TokensPerSecond / chosen.TokensPerSecond)} x"
            + $"{(isAlike ? "" : $", by {way}{(way.OnFile ? "" : " in memory")}")}), "
            + $"first token in {SpeedText.Duration(TimeSpan.FromSeconds(Math.Min(way.FirstTokenSeconds, 1e9)))}";
    }
}
