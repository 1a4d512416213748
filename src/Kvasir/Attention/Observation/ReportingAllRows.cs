using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Observation;

/// <summary>Prompt rows are attended densely whatever the policy, but their weights go to its selector.</summary>
internal sealed class ReportingAllRows(Selector listener) : Selector
{
    public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
    {
        if (round > 0)
            return false;
        selection.AddRange(query.FirstRow, query.EndRow - query.FirstRow);
        return true;
    }

    public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) =>
        listener.Observe(position, rows, weights, stride);
}
