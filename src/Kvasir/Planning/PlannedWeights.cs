using Kvasir.Models;

namespace Kvasir.Planning;

/// <summary>What of a model's weights stays in memory.</summary>
/// <param name="ResidentBytes">That they take of it.</param>
/// <param name="StreamedBytes">Of layers that each step reads from their file; 0 where all stay.</param>
/// <param name="LimitBytes"><see cref="ModelOptions.MemoryBytes"/>; 0 for none.</param>
internal readonly record struct PlannedWeights(long ResidentBytes, long StreamedBytes, long LimitBytes)
{
    public static PlannedWeights Whole(ModelSizes model) => new(model.ResidentBytes, 0, 0);

    /// <summary>As much as may stay; null where even two layers at a time are too much, or layers cannot be read one by one.</summary>
    public static PlannedWeights? Within(ModelSizes model, long bytes)
    {
        if (model.Experts is not null || bytes <= 0)
            return null;
        var (layers, other) = Parts(model);
        return LayerShares.Of(layers, other, bytes) is { ReadCount: > 0 } shares
            ? new PlannedWeights(other + shares.ResidentBytes(layers), layers[0] * shares.ReadCount, bytes)
            : null;
    }

    /// <summary>The least that <see cref="Within"/> takes of a model without experts.</summary>
    public static long LeastBytes(ModelSizes model)
    {
        var (layers, other) = Parts(model);
        return LayerShares.LeastBytes(layers, other);
    }

    private static (long[] Layers, long Other) Parts(ModelSizes model)
    {
        var all = model.Layers.Sum(static matrix => matrix.ReadBytes);
        var layers = new long[model.Config.LayerCount];
        Array.Fill(layers, all / layers.Length);
        return (layers, model.ResidentBytes - (layers[0] * layers.Length));
    }
}
