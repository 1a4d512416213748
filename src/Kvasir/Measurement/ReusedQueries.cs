using Kvasir.Attention.Batches;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Measurement;

/// <summary>
/// Makes the queries of random tokens like those of a text, in which a step looks for much that the step before has looked for: p times the last query and
/// sqrt(1 - p^2) times its own, which keeps their spread. Without that nothing can be said of rows that memory does not hold: noise looks elsewhere every time.
/// </summary>
/// <param name="share">p, from 0 to 1.</param>
/// <param name="queryWidth">Elements of a row's queries in a layer.</param>
internal sealed class ReusedQueries(float share, int layerCount, int queryWidth)
{
    private readonly float _own = MathF.Sqrt(1 - (share * share));

    // [sequences][layers, query width]: of the last step; empty before a layer's first.
    private readonly List<float[]> _last = [];

    /// <summary>Mixes the queries of a step's generated tokens.</summary>
    /// <param name="queries">[rows, heads, dim], rotated.</param>
    /// <param name="isForeseen">Whether they are a guess at those to come, which the next step does not build on.</param>
    public void Mix(Batch batch, int layer, NativeView queries, bool isForeseen)
    {
        for (var i = 0; i < batch.Segments.Length; i++)
        {
            var segment = batch.Segments[i];
            if (segment.IsPrompt)
                continue;
            while (_last.Count <= i)
                _last.Add(new float[layerCount * queryWidth]);
            var own = queries.Span<float>((long)segment.FirstRow * queryWidth * sizeof(float), queryWidth);
            var last = _last[i].AsSpan(layer * queryWidth, queryWidth);
            if (last.ContainsAnyExcept(0))
            {
                VectorMath.Scale(own, _own);
                VectorMath.AddScaled(share, last, own);
            }

            if (!isForeseen)
                own.CopyTo(last);
        }
    }
}
