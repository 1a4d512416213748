using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Forward;

/// <summary>
/// The rows that enter a group of matrix products, in each prepared form that the matrices of the group want. Preparing is done
/// once and shared: query, key and value read the same rows, and so do gate and up.
/// </summary>
internal sealed class LinearInput : ParallelJob, IDisposable
{
    private readonly NativeBuffer?[] _prepared = new NativeBuffer?[Enum.GetValues<ActivationKind>().Length];
    private readonly NativeBuffer _normed;
    private readonly int _maxColumns;
    private readonly RowNorm _norm;
    private LinearRows _rows;
    private int _wanted;

    /// <param name="maxRows">Rows of a batch.</param>
    /// <param name="maxColumns">The longest row of any group.</param>
    /// <param name="workerCount">Workers that may prepare at once.</param>
    /// <param name="kinds">The forms that the model's matrices want.</param>
    /// <param name="norm">Of the model.</param>
    public LinearInput(int maxRows, int maxColumns, int workerCount, IReadOnlySet<ActivationKind> kinds, RowNorm norm)
    {
        (_maxColumns, _norm) = (maxColumns, norm);
        _normed = new NativeBuffer((long)workerCount * maxColumns * sizeof(float));
        foreach (var kind in kinds)
            _prepared[(int)kind] = NativeBuffer.Uninitialized(PreparedBytes(kind, maxRows, maxColumns));
    }

    /// <summary>What <see cref="Bytes"/> will be.</summary>
    public static long BytesFor(int maxRows, int maxColumns, int workerCount, IReadOnlySet<ActivationKind> kinds) =>
        ((long)workerCount * maxColumns * sizeof(float)) + kinds.Sum(kind => PreparedBytes(kind, maxRows, maxColumns));

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

    /// <summary>Prepares <paramref name="rows"/> in the forms that the matrices of <paramref name="targets"/> want.</summary>
    public void Prepare(WorkerPool pool, in LinearRows rows, ReadOnlySpan<LinearTarget> targets)
    {
        (_rows, _wanted) = (rows, 0);
        foreach (var target in targets)
            _wanted |= 1 << (int)Activations.KindOf(target.Weights, rows.Count);
        pool.Run(this, rows.Count);
    }

    /// <summary>[rows, row bytes of <paramref name="kind"/>]</summary>
    public ReadOnlySpan<byte> Prepared(ActivationKind kind) =>
        _prepared[(int)kind]!.View.Span(0, _rows.Count * Activations.RowBytes(kind, _rows.Columns));

    public override void Execute(int item, int worker)
    {
        var columns = _rows.Columns;
        ReadOnlySpan<float> row = _rows.Values.Span<float>((long)item * columns * sizeof(float), columns);
        if (_rows.Norm is { } norm)
        {
            var normed = _normed.View.Span<float>((long)worker * _maxColumns * sizeof(float), columns);
            _norm.Apply(row, norm, normed);
            row = normed;
        }

        for (var kind = 0; kind < _prepared.Length; kind++)
        {
            if ((_wanted & (1 << kind)) == 0)
                continue;
            var bytes = _rows.Count * Activations.RowBytes((ActivationKind)kind, columns);
            Activations.Prepare((ActivationKind)kind, row, item, _rows.Count, _prepared[kind]!.View.Span(0, bytes));
        }
    }

    public void Dispose()
    {
        _normed.Dispose();
        foreach (var buffer in _prepared)
            buffer?.Dispose();
    }

    private static long PreparedBytes(ActivationKind kind, int maxRows, int maxColumns) => (long)maxRows * Activations.RowBytes(kind, WholeBlocks(maxColumns));

    // The longest quantised row has whole blocks of 256; a longer row of floats may not.
    private static int WholeBlocks(int columns) => (columns + 255) / 256 * 256;
}
