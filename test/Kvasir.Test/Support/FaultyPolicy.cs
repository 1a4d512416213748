using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Support;

/// <summary>A policy that reads every other row, and throws at one place from some position on.</summary>
/// <param name="place">Name of the member that throws; "none" for nowhere.</param>
/// <param name="fromRow">The first row of the cache with which it throws.</param>
internal sealed class FaultyPolicy(string place, int fromRow = 0) : AttentionPolicy(new PolicySpec(PolicyCatalog.Dense.Spec.Entry with { Name = "faulty" }))
{
    public override int ObservedPromptRows => place == "Observe" ? 4 : 0;

    public override bool ObservesDecode => place == "Observe";

    public override bool DecidesByLayer => place == "Consider";

    public override bool ReadsEveryRow(int layer, (int First, int End) visible)
    {
        ThrowAt("ReadsEveryRow", visible.End);
        return false;
    }

    public override Selector CreateSelector(HeadPlace place)
    {
        if (place.Layer == 3)
            ThrowAt("CreateSelector", fromRow);
        return Place == "NoSelector" && place.Layer == 2 ? null! : new FaultySelector(this);
    }

    private string Place => place;

    private void ThrowAt(string where, int row)
    {
        if (where == place && row >= fromRow)
            throw new InvalidTimeZoneException($"at {place}");
    }

    private sealed class FaultySelector(FaultyPolicy policy) : Selector
    {
        private int _rows;

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            _rows = firstRow + rowCount;
            policy.ThrowAt("Append", _rows);
        }

        public override void EndPrompt(KvHead head) => policy.ThrowAt("EndPrompt", _rows);

        public override void Consider(in HeadQuery query, int round, in SoftmaxView sum) => policy.ThrowAt("Consider", query.EndRow);

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            policy.ThrowAt("Select", query.EndRow);
            if (round > 0)
                return false;
            for (var row = query.EndRow - 1; row >= query.FirstRow; row -= 2)
                selection.Add(row);
            return true;
        }

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => policy.ThrowAt("Reweight", _rows);

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) => policy.ThrowAt("Weighed", _rows);

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) => policy.ThrowAt("Observe", position + 1);

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            policy.ThrowAt("Dispose", _rows);
        }
    }
}
