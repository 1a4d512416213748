using Kvasir.Cache;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Measurement;

/// <summary>
/// Writes plausible keys and values straight into a cache. Trained keys have a mean in each channel that outweighs what tells them
/// apart; so have these: a mean for each channel of each head, and normal noise. Values are noise.
/// </summary>
internal sealed class RandomRows : ParallelJob
{
    private const int NoiseCount = 1 << 20;
    private const float MeanDeviation = 1.5f;
    private readonly float[] _noise = new float[NoiseCount];
    private readonly int _kvHeadCount;
    private readonly int _dim;
    private readonly float[][] _keys;
    private SequenceCache _cache = null!;
    private int _layer;
    private int _rowCount;

    /// <param name="workerCount">Workers that may write at once.</param>
    /// <param name="seed">The same seed gives the same rows.</param>
    public RandomRows(int kvHeadCount, int dim, int workerCount, ulong seed)
    {
        (_kvHeadCount, _dim, Seed) = (kvHeadCount, dim, seed);
        _keys = new float[workerCount][];
        for (var i = 0; i < workerCount; i++)
            _keys[i] = new float[dim];
        var random = new Random(Mixed(0));
        // Box and Muller's pairs.
        for (var i = 0; i < NoiseCount; i += 2)
        {
            var (radius, turn) = (Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())), Math.Tau * random.NextDouble());
            (_noise[i], _noise[i + 1]) = ((float)(radius * Math.Sin(turn)), (float)(radius * Math.Cos(turn)));
        }
    }

    public ulong Seed { get; }

    /// <summary>Appends rows to every head of a layer up to <paramref name="rowCount"/>; their pages must have been reserved.</summary>
    public void Fill(WorkerPool pool, SequenceCache cache, int layer, int rowCount)
    {
        (_cache, _layer, _rowCount) = (cache, layer, rowCount);
        pool.Run(this, _kvHeadCount);
    }

    public override void Execute(int item, int worker)
    {
        var head = _cache.Head(_layer, item);
        var random = new Random(Mixed((_layer * _kvHeadCount) + item + 1));
        var means = Noise(random).ToArray();
        VectorMath.Scale(means, MeanDeviation);
        var key = _keys[worker].AsSpan();
        while (head.RowCount < _rowCount)
        {
            means.CopyTo(key);
            VectorMath.Add(Noise(random), key);
            head.Append(key, Noise(random));
        }
    }

    private ReadOnlySpan<float> Noise(Random random) => _noise.AsSpan(random.Next(NoiseCount - _dim), _dim);

    private int Mixed(int stream) => (int)((Seed + (ulong)stream) * 0x9E37_79B9_7F4A_7C15 >> 33);
}
