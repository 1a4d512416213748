using Kvasir.Cache;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Measurement;

/// <summary>
/// Writes keys and values straight into a cache, spread as those of trained models: keys have a mean in each channel that outweighs what tells them apart, a
/// few directions carry most of the rest, and tokens that lie together are alike. Values are noise around a mean of half its size, since attention whose values
/// cancel each other says nothing.
/// </summary>
internal sealed class RandomRows : ParallelJob
{
    private const int NoiseCount = 1 << 20;
    private const float MeanShare = 1.5f;
    private const float CommonShare = 0.8f;
    private const float ValueMean = 0.5f;
    private const int RunRows = 96;
    private readonly float[] _noise = new float[NoiseCount];
    private readonly int _kvHeadCount;
    private readonly float[] _spectrum;
    private readonly float _scale;
    private readonly (float[] Key, float[] Value, float[] Run)[] _rows;
    private SequenceCache _cache = null!;
    private int _layer;
    private int _rowCount;

    /// <param name="spectrum">Of one head: a factor for every element.</param>
    /// <param name="scale">Standard deviation of an element, where the factor is 1.</param>
    /// <param name="workerCount">Workers that may write at once.</param>
    /// <param name="seed">The same seed gives the same rows.</param>
    public RandomRows(int kvHeadCount, float[] spectrum, float scale, int workerCount, ulong seed)
    {
        (_kvHeadCount, _spectrum, _scale, Seed) = (kvHeadCount, spectrum, scale, seed);
        _rows = new (float[], float[], float[])[workerCount];
        for (var i = 0; i < workerCount; i++)
            _rows[i] = (new float[spectrum.Length], new float[spectrum.Length], new float[spectrum.Length]);
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
        var (means, valueMeans) = (Noise(random).ToArray(), Noise(random).ToArray());
        VectorMath.Scale(means, MeanShare * _scale);
        var (key, value, run) = _rows[worker];
        using var pins = head.Pin((head.RowCount, _rowCount), writtenFrom: head.RowCount);
        var (common, own) = (MathF.Sqrt(CommonShare), MathF.Sqrt(1 - CommonShare));
        for (var left = 0; head.RowCount < _rowCount; left--)
        {
            if (left == 0)
            {
                left = 1 + random.Next(2 * RunRows);
                Noise(random).CopyTo(run);
            }

            var noise = Noise(random);
            for (var i = 0; i < key.Length; i++)
                key[i] = means[i] + (_scale * _spectrum[i] * ((common * run[i]) + (own * noise[i])));
            Noise(random).CopyTo(value);
            VectorMath.AddScaled(ValueMean, valueMeans, value);
            head.Append(key, value);
        }
    }

    private ReadOnlySpan<float> Noise(Random random) => _noise.AsSpan(random.Next(NoiseCount - _spectrum.Length), _spectrum.Length);

    private int Mixed(int stream) => (int)((Seed + (ulong)stream) * 0x9E37_79B9_7F4A_7C15 >> 33);
}
