using Kvasir.Attention;
using Kvasir.Kernels.Attention;
using Kvasir.Models.Configs;

namespace Kvasir.Measurement;

/// <summary>
/// The attention mass that the best keys hold: for each layer, the mean over query heads and some queries of the weight of so many keys, largest
/// first. No choice of keys can keep more.
/// </summary>
public sealed class MassCurves
{
    private const int PointCount = 41;
    private readonly double[] _shares = new double[PointCount];
    private readonly double[] _masses;
    private readonly int _kvHeadCount;

    internal MassCurves(AttentionShape shape, int tokens)
    {
        (LayerCount, _kvHeadCount) = (shape.LayerCount, shape.KvHeadCount);
        _masses = new double[shape.LayerCount * shape.KvHeadCount * PointCount];
        for (var point = 0; point < PointCount; point++)
            _shares[point] = Math.Pow(tokens, (double)point / (PointCount - 1) - 1);
    }

    public int LayerCount { get; }

    /// <summary>Shares of the keys in sight, ascending to 1: each as many times the last.</summary>
    public ReadOnlySpan<double> Shares => _shares;

    /// <summary>The mass that each of <see cref="Shares"/> holds in a layer.</summary>
    public double[] Layer(int layer)
    {
        var curve = new double[PointCount];
        for (var kvHead = 0; kvHead < _kvHeadCount; kvHead++)
        {
            for (var point = 0; point < PointCount; point++)
                curve[point] += Part(layer, kvHead)[point] / _kvHeadCount;
        }

        return curve;
    }

    /// <summary>Adds the queries of one KV head at one position.</summary>
    /// <exception cref="KvasirException">Scores are not finite.</exception>
    /// <param name="weight">What they count for, so that all weights of a KV head sum to 1 over its query heads and positions.</param>
    internal void Add(int layer, int kvHead, in HeadQuery query, double weight)
    {
        var count = query.EndRow - query.FirstRow;
        var heads = query.Queries.Length / query.Head.Dim;
        var scores = query.Scratch.Floats(heads * count);
        query.Head.Score(query.Queries, new RowSet(query.FirstRow, count), scores, count);
        for (var head = 0; head < heads; head++)
        {
            if (!TryAdd(Part(layer, kvHead), scores.Slice(head * count, count), weight))
            {
                throw new KvasirException(
                    KvasirError.NotFinite,
                    $"layer {layer}, KV head {kvHead}, query head {head} of {heads}: "
                        + $"attention scores of the token at position {query.EndRow - 1} are not finite; a weight is, or the model's numbers overflow");
            }
        }
    }

    // False where scores hold no mass.
    private bool TryAdd(Span<double> part, Span<float> scores, double weight)
    {
        scores.Sort();
        scores.Reverse();
        var all = 0.0;
        foreach (var score in scores)
            all += Math.Exp((double)score - scores[0]);
        if (!double.IsFinite(all))
            return false;
        var (row, mass) = (0, 0.0);
        for (var point = 0; point < PointCount; point++)
        {
            // Between two counts of keys, a part of the next one's weight. The shares are powers, and the last of them is 1 within rounding.
            var rows = point == PointCount - 1 ? scores.Length : Math.Clamp(_shares[point] * scores.Length, 1, scores.Length);
            for (; row < (int)rows; row++)
                mass += Math.Exp((double)scores[row] - scores[0]);
            var next = row < scores.Length ? (rows - row) * Math.Exp((double)scores[row] - scores[0]) : 0;
            part[point] += weight * (mass + next) / all;
        }

        return true;
    }

    private Span<double> Part(int layer, int kvHead) => _masses.AsSpan(((layer * _kvHeadCount) + kvHead) * PointCount, PointCount);
}
