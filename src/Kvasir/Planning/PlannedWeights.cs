using Kvasir.Kernels.Files;
using Kvasir.Models;
using Kvasir.Models.Streaming;

namespace Kvasir.Planning;

/// <summary>What of a model's weights stays in memory.</summary>
/// <param name="ResidentBytes">That they take of it.</param>
/// <param name="StreamedBytes">What a step that reads all of them reads from their file: of layers that have no place, or of experts; 0 where all stay.</param>
/// <param name="LimitBytes"><see cref="ModelOptions.MemoryBytes"/>; 0 for none.</param>
internal readonly record struct PlannedWeights(long ResidentBytes, long StreamedBytes, long LimitBytes)
{
    // A matrix lies in whole blocks of its file, of which the first and the last may be others' too.
    private const long SlackBytes = 2 * DirectFile.Alignment;

    public static PlannedWeights Whole(ModelSizes model) => new(model.ResidentBytes, 0, 0);

    /// <summary>As much as may stay; null where not even the least of it would.</summary>
    public static PlannedWeights? Within(ModelSizes model, long bytes)
    {
        if (bytes <= 0)
            return null;
        if (model.Experts is { } experts)
            return WithinExperts(model, experts, bytes);
        var (layers, other) = Parts(model);
        return LayerShares.Of(layers, other, bytes) is { ReadCount: > 0 } shares
            ? new PlannedWeights(other + shares.ResidentBytes(layers), layers[0] * shares.ReadCount, bytes)
            : null;
    }

    /// <summary>The least that <see cref="Within"/> takes.</summary>
    public static long LeastBytes(ModelSizes model)
    {
        if (model.Experts is { } experts)
            return Beside(model, experts) + ExpertShares.LeastBytes(Slots(model, experts));
        var (layers, other) = Parts(model);
        return LayerShares.LeastBytes(layers, other);
    }

    /// <summary>What a step of so many rows reads: experts that it chooses and that have no place, where all are as likely; layers whatever its rows.</summary>
    public long ReadBy(ModelSizes model, int rows) =>
        model.Experts is { } experts ? (long)(StreamedBytes * experts.Read(rows) / experts.Count) : StreamedBytes;

    private static PlannedWeights? WithinExperts(ModelSizes model, ExpertSizes experts, long bytes)
    {
        var (slots, other) = (Slots(model, experts), Beside(model, experts));
        if (ExpertShares.Of(slots, bytes - other) is not { } shares || shares.Slots.All(count => count == experts.Count))
            return null;
        var resident = shares.Slots.Select((count, layer) => count * slots[layer].SlotBytes).Sum();
        var read = shares.Slots.Select((count, layer) => (experts.Count - count) * slots[layer].SlotBytes).Sum();
        return new PlannedWeights(other + resident, read, bytes);
    }

    // They are not packed where some are read.
    private static long Beside(ModelSizes model, ExpertSizes experts) => model.ResidentBytes - experts.ReadBytes;

    private static (long SlotBytes, int Count)[] Slots(ModelSizes model, ExpertSizes experts)
    {
        var layers = model.Config.LayerCount;
        var bytes = (experts.StoredBytes / experts.Count / layers) + (3 * SlackBytes);
        return [.. Enumerable.Repeat((bytes, experts.Count), layers)];
    }

    private static (long[] Layers, long Other) Parts(ModelSizes model)
    {
        var all = model.Layers.Sum(static matrix => matrix.ReadBytes);
        var layers = new long[model.Config.LayerCount];
        Array.Fill(layers, all / layers.Length);
        return (layers, model.ResidentBytes - (layers[0] * layers.Length));
    }
}
