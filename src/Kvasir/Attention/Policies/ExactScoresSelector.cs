using Kvasir.Attention.Zones;
using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Chooses by the scores themselves, or by what stands for them: the rows that reach a threshold of each query head. Scores are computed twice, once to choose
/// and once to attend, which an oracle may.
/// </summary>
internal abstract class ExactScoresSelector(ExactZones zones, HeadPlace place) : ZonedSelector(zones)
{
    private readonly float[] _thresholds = new float[place.GroupHeads];
    private (int First, int End) _middle;
    private SelectorScratch? _scratch;

    protected override void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride)
    {
        // The scores that were chosen by, since another kernel may round those of the same rows otherwise.
        var count = _middle.End - _middle.First;
        for (var head = 0; head < _thresholds.Length; head++)
        {
            var known = _scratch!.Floats(_thresholds.Length * count).Slice(head * count, count);
            for (var i = 0; i < rows.Count; i++)
            {
                var place = rows[i] - _middle.First;
                if ((uint)place < (uint)count && known[place] < _thresholds[head])
                    scores[head * stride + i] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>What rows are chosen by.</summary>
    /// <param name="scores">[group, rows.Count]</param>
    protected virtual void Score(in HeadQuery query, RowSet rows, Span<float> scores) =>
        query.Head.Score(query.Queries, rows, scores, rows.Count);

    /// <summary>The smallest score that is kept.</summary>
    /// <param name="scores">Of one query head, for the rows between the zones; may be put in another order.</param>
    protected abstract float Threshold(Span<float> scores);

    protected sealed override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
    {
        if (round > 0)
            return false;
        var count = middle.End - middle.First;
        var heads = _thresholds.Length;
        var scores = query.Scratch.Floats((heads + 1) * count);
        var copy = scores[(heads * count)..];
        Score(query, new RowSet(middle.First, count), scores);
        (_middle, _scratch) = (middle, query.Scratch);
        for (var head = 0; head < heads; head++)
        {
            scores.Slice(head * count, count).CopyTo(copy);
            _thresholds[head] = Threshold(copy);
        }

        for (var i = 0; i < count; i++)
        {
            for (var head = 0; head < heads; head++)
            {
                if (scores[head * count + i] < _thresholds[head])
                    continue;
                selection.Add(middle.First + i);
                break;
            }
        }

        return true;
    }
}
