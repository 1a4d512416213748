using Kvasir.Kernels.Matrix;

namespace Kvasir.Forward;

/// <summary>
/// Rows on their way into experts: those of each expert one after another, as a batch of its own, in every form that its matrices want of so many rows. A row
/// is prepared for each of its experts: that is a hundredth of the products behind it, and tiles of several rows have no other place for it.
/// </summary>
/// <param name="prepared">Room for a row in each slot of <paramref name="router"/>.</param>
internal sealed class ExpertInput(ExpertRouter router, PreparedRows prepared) : ParallelJob, IDisposable
{
    private LinearRows _rows;
    private WeightMatrix[] _first = [];
    private WeightMatrix[] _second = [];
    private readonly int[] _slots = new int[prepared.RowCount];
    private bool _isGathered;

    /// <summary>Bytes of scratch held.</summary>
    public long Bytes => prepared.Bytes;

    /// <summary>Prepares the rows of a batch for two matrices of each expert that they go through.</summary>
    /// <param name="experts">Those that have rows, or some of them.</param>
    public void Gather(WorkerPool pool, ReadOnlySpan<int> experts, in LinearRows rows, WeightMatrix[] first, WeightMatrix[] second)
    {
        _isGathered = true;
        Prepare(pool, experts, rows, first, second);
    }

    /// <summary>Prepares rows that are those of slots already, for one matrix of each expert.</summary>
    /// <param name="experts">Whose slots.</param>
    public void Prepare(WorkerPool pool, ReadOnlySpan<int> experts, in LinearRows slots, WeightMatrix[] matrices)
    {
        _isGathered = false;
        Prepare(pool, experts, slots, matrices, matrices);
    }

    /// <summary>[rows of the expert, row bytes]: in the form that this matrix of the expert wants.</summary>
    public ReadOnlySpan<byte> Prepared(in WeightMatrix matrix, int expert)
    {
        var rows = router.RowsOf(expert);
        return Of(Activations.KindOf(matrix, rows), expert, rows);
    }

    public override void Execute(int item, int worker)
    {
        var slot = _slots[item];
        var expert = router.ExpertOf(slot);
        var row = prepared.Row(_rows, _isGathered ? router.RowOf(slot) : slot, worker);
        var (rows, index) = (router.RowsOf(expert), slot - router.FirstSlot(expert));
        var (kind, other) = (Activations.KindOf(_first[expert], rows), Activations.KindOf(_second[expert], rows));
        Activations.Prepare(kind, row, index, rows, Of(kind, expert, rows));
        if (other != kind)
            Activations.Prepare(other, row, index, rows, Of(other, expert, rows));
    }

    public void Dispose() => prepared.Dispose();

    private void Prepare(WorkerPool pool, ReadOnlySpan<int> experts, in LinearRows rows, WeightMatrix[] first, WeightMatrix[] second)
    {
        (_rows, _first, _second) = (rows, first, second);
        var count = 0;
        foreach (var expert in experts)
        {
            for (var i = 0; i < router.RowsOf(expert); i++)
                _slots[count++] = router.FirstSlot(expert) + i;
        }

        pool.Run(this, count);
    }

    private Span<byte> Of(ActivationKind kind, int expert, int rows) => prepared.Form(kind, router.FirstSlot(expert), rows, _rows.Columns);
}
