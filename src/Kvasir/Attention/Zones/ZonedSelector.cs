using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Zones;

/// <summary>Chooses among the rows between the exact zones of a <see cref="SparsePolicy"/>.</summary>
public abstract class ZonedSelector(ExactZones zones) : Selector
{
    private bool _chooses;

    protected ExactZones Zones => zones;

    public sealed override void Consider(in HeadQuery query, int round, in SoftmaxView sum)
    {
        var middle = zones.Middle(query);
        if (middle.First < middle.End)
            ConsiderMiddle(query, middle, round, sum);
    }

    public sealed override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
    {
        var (first, end) = zones.Middle(query);
        if (round == 0)
        {
            _chooses = first < end;
            selection.AddRange(query.FirstRow, first - query.FirstRow);
            selection.AddRange(end, query.EndRow - end);
        }

        if (first == end)
            return round == 0;
        return SelectMiddle(query, (first, end), round, sum, selection) || round == 0;
    }

    public sealed override bool Foresee(in HeadQuery query, KvSelection selection)
    {
        var middle = zones.Middle(query);
        return middle.First < middle.End && ForeseeMiddle(query, middle, selection);
    }

    public sealed override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride)
    {
        if (_chooses)
            ReweightChosen(rows, listed, scores, stride);
    }

    /// <summary>As <see cref="Selector.Reweight"/>, when there were rows to choose among; rows of the zones are among these.</summary>
    protected virtual void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride)
    {
    }

    /// <summary>As <see cref="Selector.Foresee"/>, when there are rows to choose among.</summary>
    protected virtual bool ForeseeMiddle(in HeadQuery query, (int First, int End) middle, KvSelection selection) => false;

    /// <summary>As <see cref="Selector.Consider"/>, when there are rows to choose among.</summary>
    protected virtual void ConsiderMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum)
    {
    }

    /// <summary>
    /// Adds rows of [first, end), which is not empty, to the selection of a round; the zones are part of round 0. False when this round adds none and
    /// no round will.
    /// </summary>
    protected abstract bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection);
}
