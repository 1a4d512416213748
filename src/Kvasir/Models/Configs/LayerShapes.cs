using System.Collections;
using System.Globalization;

namespace Kvasir.Models.Configs;

/// <summary>The layers of a model, from the embedding to the output. Two lists of equal layers are equal, and read the same as text.</summary>
public sealed class LayerShapes : IReadOnlyList<LayerShape>, IEquatable<LayerShapes>
{
    private readonly LayerShape[] _layers;

    private LayerShapes(LayerShape[] layers) => _layers = layers;

    public int Count => _layers.Length;

    public LayerShape this[int index] => _layers[index];

    /// <summary>Layers that are all alike.</summary>
    public static LayerShapes Alike(int count, LayerShape layer) => By(count, _ => layer);

    /// <param name="count">How many.</param>
    /// <param name="rule">The layer at an index, counted from 0.</param>
    public static LayerShapes By(int count, Func<int, LayerShape> rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var layers = new LayerShape[count];
        for (var i = 0; i < count; i++)
            layers[i] = rule(i);
        return new LayerShapes(layers);
    }

    /// <summary>The same layers, each changed.</summary>
    public LayerShapes With(Func<LayerShape, LayerShape> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return new LayerShapes(Array.ConvertAll(_layers, layer => change(layer)));
    }

    /// <summary>The first <paramref name="count"/> of them.</summary>
    public LayerShapes First(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return new LayerShapes(_layers[..count]);
    }

    public IEnumerator<LayerShape> GetEnumerator() => ((IEnumerable<LayerShape>)_layers).GetEnumerator();

    public bool Equals(LayerShapes? other) => other is not null && _layers.AsSpan().SequenceEqual(other._layers);

    public override bool Equals(object? obj) => Equals(obj as LayerShapes);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var layer in _layers)
            hash.Add(layer);
        return hash.ToHashCode();
    }

    /// <summary>Runs of equal layers: "32 x LayerShape { ... }".</summary>
    public override string ToString()
    {
        var (runs, start) = (new List<string>(), 0);
        for (var i = 1; i <= _layers.Length; i++)
        {
            if (i < _layers.Length && _layers[i] == _layers[start])
                continue;
            runs.Add(string.Create(CultureInfo.InvariantCulture, $"{i - start} x {_layers[start]}"));
            start = i;
        }

        return string.Join(", ", runs);
    }

    IEnumerator IEnumerable.GetEnumerator() => _layers.GetEnumerator();
}
