using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace OwnPolicy;

/// <summary>Keeps every n-th key between the first and the newest ones, and gives the memory of the others back: a policy that drops rows.</summary>
public sealed class Thinned(PolicySpec spec) : SparsePolicy(spec)
{
    /// <summary>The row of the catalogue.</summary>
    public static readonly PolicyEntry Entry = new(
        "thinned", "every n-th key between the first and the newest ones; the others are dropped", "a sample", "thinned:step=1,min-context=0",
        static spec => new Thinned(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "none",
            PolicyOption.Whole("step", 2, 1, 1024, "distance between keys that are kept")))
    {
        Budgets = PolicyBudget.Of("step", 32, 16, 8, 4, 2),
    };

    private readonly int _step = spec.Whole("step");

    /// <inheritdoc/>
    public override bool DropsRows => true;

    // What is planned with, before there are rows.
    protected override int RowsDropped((int Layer, int LayerCount) place, (int First, int End) middle, int promptRows) =>
        middle.End - Zones.Sinks - KeptBefore(middle.End) + KeptBefore(Zones.Sinks);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Rows(Zones, _step);

    private int KeptBefore(int position) => (position + _step - 1) / _step;

    private sealed class Rows(ExactZones zones, int step) : ZonedSelector(zones)
    {
        // Rows before this one were looked at, and all of them stay.
        private int _thinnedEnd;

        public override void Truncate(int rows) => _thinnedEnd = Math.Min(_thinnedEnd, rows);

        public override int DroppableRows(KvHead head, (int First, int End) visible)
        {
            var (row, end) = Unlooked(head, visible);
            var count = 0;
            for (; row < end; row++)
                count += IsKept(head, row) ? 0 : 1;
            return count;
        }

        public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
        {
            var (row, end) = Unlooked(head, visible);
            for (; row < end; row++)
            {
                if (!IsKept(head, row))
                    edit.Drop(row, 1);
            }
        }

        // It may be less than was asked for: what stayed though it could go is in the way of the mark.
        public override void Edited(KvHead head, RowEdit edit)
        {
            _thinnedEnd = edit.KeptBefore(_thinnedEnd);
            while (_thinnedEnd < head.RowCount && (head.Position(_thinnedEnd) < Zones.Sinks || IsKept(head, _thinnedEnd)))
                _thinnedEnd++;
        }

        // Rows that wait to be dropped are not read either, so that nothing depends on when that is.
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            for (var row = middle.First; row < middle.End; row++)
            {
                if (IsKept(query.Head, row))
                    selection.Add(row);
            }

            return true;
        }

        private bool IsKept(KvHead head, int row) => head.Position(row) % step == 0;

        private (int First, int End) Unlooked(KvHead head, (int First, int End) visible)
        {
            var (first, end) = Zones.Middle(visible.First, visible.End);
            return first < end ? (Math.Max(_thinnedEnd, head.RowAt(Zones.Sinks)), head.RowAt(end)) : (0, 0);
        }
    }
}
