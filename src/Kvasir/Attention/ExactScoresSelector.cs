using Kvasir.Kernels.Attention;

namespace Kvasir.Attention;

/// <summary>
/// Chooses by the scores themselves: the rows that reach a threshold of each query head. They are computed twice, once to choose and once to attend, which
/// an oracle may.
/// </summary>
internal abstract class ExactScoresSelector(ExactZones zones, HeadPlace place) : ZonedSelector(zones)
{
    private readonly float[] _thresholds = new float[place.GroupHeads];
    private (int First, int End) _middle;

    public override void Reweight(in RowSet rows, Span<float> scores, int stride)
    {
        for (var head = 0; head < _thresholds.Length; head++)
        {
            var own = scores.Slice(head * stride, rows.Count);
            for (var i = 0; i < own.Length; i++)
            {
                if (own[i] < _thresholds[head] && rows[i] >= _middle.First && rows[i] < _middle.End)
                    own[i] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>The smallest score that is kept.</summary>
    /// <param name="scores">Of one query head, for the rows between the zones; may be put in another order.</param>
    protected abstract float Threshold(Span<float> scores);

    protected sealed override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxSum sum, KvSelection selection)
    {
        if (round > 0)
            return false;
        var count = middle.End - middle.First;
        var heads = _thresholds.Length;
        var scores = query.Scratch.Floats((heads + 1) * count);
        var copy = scores[(heads * count)..];
        AttentionScores.Rows(query.Queries, query.Head.Keys, new RowSet(middle.First, count), 1, scores, count);
        _middle = middle;
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
