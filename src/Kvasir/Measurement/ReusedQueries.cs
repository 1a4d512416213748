using Kvasir.Attention.Batches;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Measurement;

/// <summary>
/// Queries for random weights that are like those of a text, in which a step looks for much that the step before has looked for: p times the last query and
/// sqrt(1 - p^2) times noise of the same spread. Without that nothing can be said of rows that memory does not hold: random tokens look elsewhere every time.
/// What is foretold of a query has the last one, which is known, and noise that is as near to its own as is asked for: layers of trained models change little
/// of what comes in, and those of random weights nearly all.
/// </summary>
internal sealed class ReusedQueries
{
    private const int NoiseCount = 1 << 20;
    private readonly float[] _noise = new float[NoiseCount];
    private readonly float[] _deviations;
    private readonly float _share;
    private readonly float _own;
    private readonly float _foresight;
    private readonly float _error;
    private readonly int _layerCount;
    private readonly int _queryWidth;
    private readonly float[] _foretold;

    // [sequences][layers, query width]: of the last step; zeros before a layer's first.
    private readonly List<float[]> _last = [];

    // [sequences, layers]: steps.
    private readonly List<int[]> _steps = [];

    /// <param name="share">p, from 0 to 1.</param>
    /// <param name="foresight">How near foretold noise is to what comes, as a cosine.</param>
    /// <param name="queryWidth">Elements of a row's queries in a layer.</param>
    /// <param name="deviations">Of the elements of a query.</param>
    public ReusedQueries(double share, double foresight, int layerCount, int queryWidth, float[] deviations, ulong seed)
    {
        (_share, _own) = ((float)share, (float)Math.Sqrt(1 - (share * share)));
        (_foresight, _error) = ((float)foresight, (float)Math.Sqrt(1 - (foresight * foresight)));
        (_layerCount, _queryWidth, _deviations, _foretold) = (layerCount, queryWidth, deviations, new float[queryWidth]);
        var random = new Random((int)(seed & int.MaxValue));
        for (var i = 0; i < NoiseCount; i += 2)
        {
            var (radius, turn) = (Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())), Math.Tau * random.NextDouble());
            (_noise[i], _noise[i + 1]) = ((float)(radius * Math.Sin(turn)), (float)(radius * Math.Cos(turn)));
        }
    }

    /// <summary>Puts these queries in the place of those of a step's generated tokens.</summary>
    /// <param name="queries">[rows, heads, dim], rotated.</param>
    /// <param name="isForeseen">Whether they are foretold, and the layer's own are still to come.</param>
    public void Mix(Batch batch, int layer, NativeView queries, bool isForeseen)
    {
        for (var i = 0; i < batch.Segments.Length; i++)
        {
            var segment = batch.Segments[i];
            if (segment.IsPrompt)
                continue;
            while (_last.Count <= i)
            {
                _last.Add(new float[_layerCount * _queryWidth]);
                _steps.Add(new int[_layerCount]);
            }

            var own = queries.Span<float>((long)segment.FirstRow * _queryWidth * sizeof(float), _queryWidth);
            var last = _last[i].AsSpan(layer * _queryWidth, _queryWidth);
            Draw(i, layer, _steps[i][layer], own);
            if (isForeseen)
            {
                VectorMath.Scale(own, _foresight);
                Draw(i, layer + _layerCount, _steps[i][layer], _foretold);
                VectorMath.AddScaled(_error, _foretold, own);
            }

            if (last.ContainsAnyExcept(0))
            {
                VectorMath.Scale(own, _own);
                VectorMath.AddScaled(_share, last, own);
            }

            if (isForeseen)
                continue;
            own.CopyTo(last);
            _steps[i][layer]++;
        }
    }

    private void Draw(int sequence, int layer, int step, Span<float> noise)
    {
        var place = (((((ulong)sequence * 1_000_003) + (ulong)layer) * 1_000_003) + (ulong)step) * 0x9E37_79B9_7F4A_7C15;
        _noise.AsSpan((int)((place >> 33) % (ulong)(NoiseCount - noise.Length)), noise.Length).CopyTo(noise);
        for (var i = 0; i < noise.Length; i++)
            noise[i] *= _deviations[i % _deviations.Length];
    }
}
