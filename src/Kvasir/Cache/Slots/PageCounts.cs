namespace Kvasir.Cache.Slots;

/// <summary><see cref="PageFigures"/> as they come, by one thread at a time.</summary>
internal sealed class PageCounts
{
    private (long Hits, long Misses)[] _layers = [];

    /// <summary>Of all layers.</summary>
    public long Misses;

    public long Reads;

    public long ReadBytes;

    public long WrittenBytes;

    public double WaitMs;

    public long UsedAgain;

    public long AheadUsed;

    public long AheadUnused;

    public long Foretold;

    public long ForetoldUsed;

    public PageFigures Figures
    {
        get
        {
            var hits = 0L;
            foreach (var layer in _layers)
                hits += layer.Hits;
            return new PageFigures(hits, Misses, Reads, ReadBytes, WrittenBytes, WaitMs)
            {
                UsedAgain = UsedAgain,
                AheadUsed = AheadUsed,
                AheadUnused = AheadUnused,
                Foretold = Foretold,
                ForetoldUsed = ForetoldUsed,
                Layers = [.. _layers],
            };
        }
    }

    /// <summary>Makes room for a layer.</summary>
    public void Reserve(int layer)
    {
        if (layer >= _layers.Length)
            Array.Resize(ref _layers, layer + 1);
    }

    public void Hit(int layer) => _layers[layer].Hits++;

    public void Miss(int layer)
    {
        _layers[layer].Misses++;
        Misses++;
    }
}
