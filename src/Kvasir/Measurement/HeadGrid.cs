namespace Kvasir.Measurement;

/// <summary>A figure for every layer and head of a model; which heads, query or KV, its owner says.</summary>
public sealed class HeadGrid
{
    private readonly double[] _values;

    internal HeadGrid(int layerCount, int headCount)
    {
        (LayerCount, HeadCount) = (layerCount, headCount);
        _values = new double[layerCount * headCount];
    }

    public int LayerCount { get; }

    public int HeadCount { get; }

    /// <summary>The mean of all.</summary>
    public double Mean => Average(_values);

    /// <summary>[heads]</summary>
    public ReadOnlySpan<double> Layer(int layer) => _values.AsSpan(layer * HeadCount, HeadCount);

    /// <summary>The mean over a layer's heads.</summary>
    public double LayerMean(int layer) => Average(Layer(layer));

    internal void Add(int layer, int head, double value) => _values[(layer * HeadCount) + head] += value;

    private static double Average(ReadOnlySpan<double> values)
    {
        var sum = 0.0;
        foreach (var value in values)
            sum += value;
        return sum / values.Length;
    }
}
