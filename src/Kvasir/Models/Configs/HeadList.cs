namespace Kvasir.Models.Configs;

/// <summary>Where the KV heads of layers stand one after another, where layers have different numbers of them.</summary>
internal sealed class HeadList
{
    private readonly int[] _firsts;
    private readonly int[] _layers;

    /// <param name="counts">KV heads of each layer.</param>
    public HeadList(IReadOnlyList<int> counts)
    {
        (_firsts, _layers) = (new int[counts.Count], new int[counts.Sum()]);
        for (int layer = 0, first = 0; layer < counts.Count; first += counts[layer++])
        {
            _firsts[layer] = first;
            _layers.AsSpan(first, counts[layer]).Fill(layer);
        }
    }

    /// <summary>Heads of all layers.</summary>
    public int Count => _layers.Length;

    public int First(int layer) => _firsts[layer];

    public (int Layer, int KvHead) PlaceOf(int head) => (_layers[head], head - _firsts[_layers[head]]);
}
