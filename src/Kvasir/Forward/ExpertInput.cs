using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Forward;

/// <summary>
/// Rows on their way into experts: those of each expert one after another, as a batch of its own, in every form that its matrices want of so many rows. A row
/// is prepared for each of its experts: that is a hundredth of the products behind it, and tiles of several rows have no other place for it.
/// </summary>
internal sealed class ExpertInput : ParallelJob, IDisposable
{
    private readonly NativeBuffer?[] _prepared = new NativeBuffer?[Enum.GetValues<ActivationKind>().Length];
    private readonly NativeBuffer _normed;
    private readonly int _maxColumns;
    private readonly ExpertRouter _router;
    private readonly RowNorm _norm;
    private LinearRows _rows;
    private WeightMatrix[] _first = [];
    private WeightMatrix[] _second = [];
    private bool _isGathered;

    /// <param name="maxColumns">The longest row.</param>
    /// <param name="workerCount">Workers that may prepare at once.</param>
    /// <param name="kinds">The forms that the experts' matrices want.</param>
    public ExpertInput(ExpertRouter router, int maxSlots, int maxColumns, int workerCount, IReadOnlySet<ActivationKind> kinds, RowNorm norm)
    {
        (_router, _norm, _maxColumns) = (router, norm, maxColumns);
        _normed = new NativeBuffer((long)workerCount * maxColumns * sizeof(float));
        foreach (var kind in kinds)
            _prepared[(int)kind] = NativeBuffer.Uninitialized(PreparedBytes(kind, maxSlots, maxColumns));
    }

    /// <summary><see cref="Bytes"/>, before there is one.</summary>
    public static long BytesFor(int maxSlots, int maxColumns, int workerCount, IReadOnlySet<ActivationKind> kinds) =>
        ((long)workerCount * maxColumns * sizeof(float)) + kinds.Sum(kind => PreparedBytes(kind, maxSlots, maxColumns));

    /// <summary>Bytes of scratch held.</summary>
    public long Bytes
    {
        get
        {
            var bytes = _normed.Bytes;
            foreach (var buffer in _prepared)
                bytes += buffer?.Bytes ?? 0;
            return bytes;
        }
    }

    /// <summary>Prepares the rows of a batch for two matrices of each expert that they go through.</summary>
    public void Gather(WorkerPool pool, in LinearRows rows, WeightMatrix[] first, WeightMatrix[] second) =>
        Prepare(pool, rows, isGathered: true, first, second);

    /// <summary>Prepares rows that are those of slots already, for one matrix of each expert.</summary>
    public void Prepare(WorkerPool pool, in LinearRows slots, WeightMatrix[] matrices) => Prepare(pool, slots, isGathered: false, matrices, matrices);

    /// <summary>[rows of the expert, row bytes]: in the form that this matrix of the expert wants.</summary>
    public ReadOnlySpan<byte> Prepared(in WeightMatrix matrix, int expert)
    {
        var rows = _router.RowsOf(expert);
        return Of(Activations.KindOf(matrix, rows), expert, rows);
    }

    public override void Execute(int item, int worker)
    {
        var (columns, expert) = (_rows.Columns, _router.ExpertOf(item));
        var from = _isGathered ? _router.RowOf(item) : item;
        ReadOnlySpan<float> row = _rows.Values.Span<float>((long)from * columns * sizeof(float), columns);
        if (_rows.Norm is { } norm)
        {
            var normed = _normed.View.Span<float>((long)worker * _maxColumns * sizeof(float), columns);
            _norm.Apply(row, norm, normed);
            row = normed;
        }

        var (rows, index) = (_router.RowsOf(expert), item - _router.FirstSlot(expert));
        var (kind, other) = (Activations.KindOf(_first[expert], rows), Activations.KindOf(_second[expert], rows));
        Activations.Prepare(kind, row, index, rows, Of(kind, expert, rows));
        if (other != kind)
            Activations.Prepare(other, row, index, rows, Of(other, expert, rows));
    }

    public void Dispose()
    {
        _normed.Dispose();
        foreach (var buffer in _prepared)
            buffer?.Dispose();
    }

    private static long PreparedBytes(ActivationKind kind, int slots, int columns) => (long)slots * Activations.RowBytes(kind, (columns + 255) / 256 * 256);

    private void Prepare(WorkerPool pool, in LinearRows rows, bool isGathered, WeightMatrix[] first, WeightMatrix[] second)
    {
        (_rows, _isGathered, _first, _second) = (rows, isGathered, first, second);
        pool.Run(this, _router.SlotCount);
    }

    private Span<byte> Of(ActivationKind kind, int expert, int rows)
    {
        var rowBytes = Activations.RowBytes(kind, _rows.Columns);
        return _prepared[(int)kind]!.View.Span((long)_router.FirstSlot(expert) * rowBytes, rows * rowBytes);
    }
}
