using Kvasir.Attention;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Support;

/// <summary>Another selector, whose rows are noted.</summary>
internal sealed class WatchedSelector(Selector selector, ISet<int> read) : Selector
{
    public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

    public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) =>
        selector.Weighed(rows, listed, weights, stride, max);

    public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) => selector.Observe(position, rows, weights, stride);

    public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
    {
        var more = selector.Select(query, round, sum, selection);
        foreach (var row in selection.Rows)
            read.Add(row);
        foreach (var (first, count) in selection.Ranges)
            read.UnionWith(Enumerable.Range(first, count));
        return more;
    }
}
