using Kvasir.Files;
using Kvasir.Kernels.Matrix;

namespace Kvasir.Forward;

/// <summary>
/// The rows that enter a group of matrix products, in each prepared form that the matrices of the group want. Preparing is done
/// once and shared: query, key and value read the same rows, and so do gate and up.
/// </summary>
internal sealed class LinearInput(PreparedRows prepared) : ParallelJob, IDisposable
{
    private static readonly ActivationKind[] Kinds = Enum.GetValues<ActivationKind>();

    private LinearRows _rows;
    private int _wanted;

    /// <summary>Bytes of scratch held.</summary>
    public long Bytes => prepared.Bytes;

    /// <summary>Prepares <paramref name="rows"/> in the forms that the matrices of <paramref name="targets"/> want.</summary>
    public void Prepare(WorkerPool pool, in LinearRows rows, ReadOnlySpan<LinearTarget> targets)
    {
        (_rows, _wanted) = (rows, 0);
        foreach (var target in targets)
            _wanted |= 1 << (int)Activations.KindOf(target.Weights, rows.Count);
        pool.Run(this, rows.Count);
    }

    /// <summary>[rows, row bytes of <paramref name="kind"/>]</summary>
    public ReadOnlySpan<byte> Prepared(ActivationKind kind) => prepared.Form(kind, 0, _rows.Count, _rows.Columns);

    public override void Execute(int item, int worker)
    {
        var row = prepared.Row(_rows, item, worker);
        foreach (var kind in Kinds)
        {
            if ((_wanted & (1 << (int)kind)) != 0)
                Activations.Prepare(kind, row, item, _rows.Count, prepared.Form(kind, 0, _rows.Count, _rows.Columns));
        }
    }

    public void Dispose() => prepared.Dispose();
}
